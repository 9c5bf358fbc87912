"""The unadjusted cohort report as one would write it with pandas, scipy and statsmodels: a process of its own."""

import json
import sys

import numpy as np
import pandas as pd
import statsmodels.formula.api as smf
from scipy import stats
from statsmodels.stats.proportion import proportion_confint


def main(file: str) -> None:
    """Print what the registry's report prints, of a CSV file of patients."""
    rows = pd.read_csv(file)
    complete = rows.dropna(subset=["group", "before", "after"]).copy()
    complete["change"] = complete["after"] - complete["before"]
    found = {name: _of_group(one) for name, one in complete.groupby("group")}
    changes = [one["change"] for _, one in complete.groupby("group")]
    found["welch"] = list(stats.ttest_ind(*changes, equal_var=False))
    model = smf.ols("after ~ before + C(group)", data=complete).fit()
    found["ancova"] = {"params": model.params.to_dict(), "interval": model.conf_int().to_numpy().tolist()}
    sys.stdout.write(json.dumps(found, default=float) + "\n")


def _of_group(one: pd.DataFrame) -> dict[str, object]:
    summaries = {name: one[name].describe().to_dict() for name in ("before", "after", "change")}
    paired = stats.ttest_rel(one["after"], one["before"])
    interval = paired.confidence_interval()
    positive = one[one["before"] > 0]
    relief = np.asarray(-positive["change"] / positive["before"])
    responders = {
        percent: proportion_confint(int((relief >= percent / 100).sum()), len(relief), method="wilson")
        for percent in (30, 50)
    }
    return {**summaries, "paired": [paired.statistic, paired.pvalue, *interval], "responders": responders}


if __name__ == "__main__":
    main(sys.argv[1])
