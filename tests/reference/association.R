# Reference values for registry.statistics.association and covariates: Rscript association.R, in this folder.
# Needs the package sandwich. Reads cohort_input.csv and covariates_input.csv, writes association_r.csv.

library(sandwich)

out <- data.frame(cohort = character(), group = character(), statistic = character(), value = numeric())

put <- function(cohort, group, ...) {
  values <- c(...)
  out <<- rbind(out, data.frame(cohort = cohort, group = group, statistic = names(values), value = unname(values)))
}

with_t <- function(prefix, fit, term, variance) {
  estimate <- coef(fit)[[term]]
  se <- sqrt(variance[term, term])
  df <- fit$df.residual
  reach <- qt(0.975, df) * se
  values <- c(estimate, estimate - reach, estimate + reach, se, estimate / se, df, 2 * pt(-abs(estimate / se), df))
  setNames(values, paste0(prefix, c("_estimate", "_low", "_high", "_se", "_t", "_df", "_p")))
}

rows <- read.csv("cohort_input.csv", stringsAsFactors = FALSE)
entered <- rows[rows$cohort == "large" & !is.na(rows$before) & rows$before >= 30, ]
entered$cohort <- "large_entered"
rows <- rbind(rows, entered)
rows <- rows[!is.na(rows$before) & !is.na(rows$after), ]
rows$group <- factor(rows$group, levels = c("with", "without"))

for (cohort in unique(rows$cohort)) {
  d <- rows[rows$cohort == cohort, ]
  if (min(table(d$group)) < 5) next
  fit <- lm(after ~ before + group, data = d)
  put(cohort, "between", with_t("hc3", fit, "groupwithout", vcovHC(fit, type = "HC3")))
  crossed <- lm(after ~ before * group, data = d)
  put(cohort, "between", with_t("interaction", crossed, "before:groupwithout", vcov(crossed)),
      interaction_slope_first = coef(crossed)[["before"]] + coef(crossed)[["before:groupwithout"]],
      interaction_slope_second = coef(crossed)[["before"]])
  welch <- t.test(d$after[d$group == "without"], d$after[d$group == "with"])
  put(cohort, "between", after_estimate = unname(welch$estimate[1] - welch$estimate[2]), after_low = welch$conf.int[1],
      after_high = welch$conf.int[2], after_se = welch$stderr, after_t = unname(welch$statistic),
      after_df = unname(welch$parameter), after_p = welch$p.value)
}

rows <- read.csv("covariates_input.csv", stringsAsFactors = FALSE)
rows$group <- factor(rows$group, levels = c("with", "without"))
for (cohort in unique(rows$cohort)) {
  d <- rows[rows$cohort == cohort, ]
  covariates <- if (cohort == "smallest") c("age", "revised") else c("age", "bmi", "female", "revised")
  fit <- lm(reformulate(c("before", "group", covariates), "after"), data = d)
  put(cohort, "covariates", with_t("classical", fit, "groupwithout", vcov(fit)), r_squared = summary(fit)$r.squared,
      n_left_out = nrow(d) - length(fit$residuals))
  terms <- c("before", covariates)
  put(cohort, "covariates", setNames(coef(fit)[terms], paste0(terms, "_value")),
      setNames(sqrt(diag(vcov(fit)))[terms], paste0(terms, "_se")))
  if (max(hatvalues(fit)) > 1 - 1e-9) next
  robust <- vcovHC(fit, type = "HC3")
  put(cohort, "covariates", with_t("robust", fit, "groupwithout", robust),
      setNames(sqrt(diag(robust))[terms], paste0(terms, "_robust")))
}

out$value <- sprintf("%.17g", out$value)
cat("# ", R.version.string, ", sandwich ", as.character(packageVersion("sandwich")), "\n", sep = "", file = "association_r.csv")
suppressWarnings(write.table(out, "association_r.csv", sep = ",", quote = FALSE, row.names = FALSE, append = TRUE))
