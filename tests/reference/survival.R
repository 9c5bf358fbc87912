# Reference values for registry.statistics.survival and survival_tests: Rscript survival.R, in this folder.
# Needs the packages survival and cmprsk. Reads survival_input.csv, writes survival_r.csv.

suppressPackageStartupMessages({
  library(survival)
  library(cmprsk)
})

rows <- read.csv("survival_input.csv", stringsAsFactors = FALSE)
rows$state <- factor(rows$outcome, levels = c("censored", "event", "death"))
out <- data.frame(cohort = character(), group = character(), statistic = character(), value = numeric())

put <- function(cohort, group, ...) {
  values <- c(...)
  out <<- rbind(out, data.frame(cohort = cohort, group = group, statistic = names(values), value = unname(values)))
}

for (cohort in unique(rows$cohort)) {
  d <- rows[rows$cohort == cohort, ]
  code <- c(censored = 0, event = 1, death = 2)[d$outcome]
  for (group in unique(d$group)) {
    g <- d[d$group == group, ]
    times <- c(1, 6, 12, 24.5, 36, 48, 60)
    times <- times[times <= max(g$months)]
    fit <- survfit(Surv(months, state) ~ 1, data = g)
    at <- summary(fit, times = times)
    gray <- timepoints(cuminc(g$months, code[d$group == group], cencode = 0), times)$est
    for (i in seq_along(times)) {
      time <- times[i]
      value <- at$pstate[i, fit$states == "event"]
      se <- at$std.err[i, fit$states == "event"]
      name <- paste0("at", time)
      past <- g[g$months <= time, ]
      values <- c(incidence = value, se = se, at_risk = sum(g$months >= time), events = sum(past$outcome == "event"),
                  deaths = sum(past$outcome == "death"), censored = sum(past$outcome == "censored"))
      put(cohort, group, setNames(values, paste0(name, "_", names(values))))
      estimated <- if ("1 1" %in% rownames(gray)) gray["1 1", i] else 0
      put(cohort, group, setNames(estimated, paste0(name, "_cuminc")))
      if (value > 0 && value < 1) {
        reach <- qnorm(0.975) * se / ((1 - value) * abs(log(1 - value)))
        limits <- c(1 - (1 - value)^exp(-reach), 1 - (1 - value)^exp(reach))
        if (cohort == "nobody_died") {
          alone <- summary(survfit(Surv(months, outcome == "event") ~ 1, data = g, conf.type = "log-log"), times = time)
          limits <- 1 - c(alone$upper, alone$lower)
        }
        put(cohort, group, setNames(limits, paste0(name, c("_low", "_high"))))
      }
    }
  }
  gray <- cuminc(d$months, code, group = d$group, cencode = 0)$Tests["1", ]
  put(cohort, "between", gray_chi_square = gray[["stat"]], gray_df = gray[["df"]], gray_p = gray[["pv"]])
  ranks <- survdiff(Surv(months, outcome == "event") ~ group, data = d)
  df <- length(ranks$n) - 1
  put(cohort, "between", log_rank_chi_square = ranks$chisq, log_rank_df = df,
      log_rank_p = pchisq(ranks$chisq, df, lower.tail = FALSE),
      setNames(ranks$exp, paste0("log_rank_expected_", sub("group=", "", names(ranks$n)))))
}

out$value <- sprintf("%.17g", out$value)
cat("# ", R.version.string, ", survival ", as.character(packageVersion("survival")), ", cmprsk ",
    as.character(packageVersion("cmprsk")), "\n", sep = "", file = "survival_r.csv")
suppressWarnings(write.table(out, "survival_r.csv", sep = ",", quote = FALSE, row.names = FALSE, append = TRUE))
