# Reference values for registry.statistics, from base R alone: Rscript cohort.R, in this folder.
# Reads cohort_input.csv and proportion_input.csv, writes cohort_r.csv.

rows <- read.csv("cohort_input.csv", stringsAsFactors = FALSE)
entered <- rows[rows$cohort == "large" & !is.na(rows$before) & rows$before >= 30, ]
entered$cohort <- "large_entered"
rows <- rbind(rows, entered)
out <- data.frame(cohort = character(), group = character(), statistic = character(), value = numeric())

put <- function(cohort, group, ...) {
  values <- c(...)
  out <<- rbind(out, data.frame(cohort = cohort, group = group, statistic = names(values), value = unname(values)))
}

described <- function(prefix, x) {
  values <- c(n = length(x), mean = mean(x), sd = sd(x), median = unname(quantile(x, 0.5, type = 7)),
              q1 = unname(quantile(x, 0.25, type = 7)), q3 = unname(quantile(x, 0.75, type = 7)))
  setNames(values, paste0(prefix, "_", names(values)))
}

tested <- function(prefix, test, estimate) {
  setNames(c(estimate, test$conf.int[1], test$conf.int[2], test$stderr, test$statistic, test$parameter, test$p.value),
           paste0(prefix, c("_estimate", "_low", "_high", "_se", "_t", "_df", "_p")))
}

shared <- function(prefix, k, n) {
  wilson <- suppressWarnings(prop.test(k, n, correct = FALSE))
  setNames(c(k, n, k / n, wilson$conf.int[1], wilson$conf.int[2]), paste0(prefix, c("_k", "_n", "_value", "_low", "_high")))
}

for (cohort in unique(rows$cohort)) {
  all <- rows[rows$cohort == cohort, ]
  pairs <- all[!is.na(all$before) & !is.na(all$after), ]
  for (group in unique(all$group)) {
    everyone <- all[all$group == group, ]
    d <- pairs[pairs$group == group, ]
    answered <- everyone$after[!is.na(everyone$after)]
    put(cohort, group, n_enrolled = nrow(everyone), n_both = nrow(d), n_entered = sum(everyone$before >= 30, na.rm = TRUE))
    put(cohort, group, described("before", d$before), described("after", d$after), described("change", d$after - d$before))
    change <- t.test(d$after, d$before, paired = TRUE)
    put(cohort, group, tested("paired", change, mean(d$after - d$before)))
    interval <- t.test(answered)$conf.int
    put(cohort, group, trajectory_n = length(answered), trajectory_estimate = mean(answered),
        trajectory_low = interval[1], trajectory_high = interval[2])
    relief <- d[d$before > 0, ]
    for (percent in c(30, 50)) {
      k <- sum(100 * (relief$before - relief$after) >= percent * relief$before)
      put(cohort, group, shared(paste0("responders", percent), k, nrow(relief)))
    }
  }
  if (min(table(pairs$group)) >= 5) {
    pairs$group <- factor(pairs$group, levels = c("with", "without"))
    fit <- lm(after ~ before + group, data = pairs)
    line <- summary(fit)$coefficients["groupwithout", ]
    interval <- confint(fit, "groupwithout")
    put(cohort, "between", ancova_estimate = line[[1]], ancova_low = interval[1], ancova_high = interval[2],
        ancova_se = line[[2]], ancova_t = line[[3]], ancova_df = fit$df.residual, ancova_p = line[[4]],
        ancova_slope = coef(fit)[["before"]], ancova_r_squared = summary(fit)$r.squared)
    without <- with(pairs[pairs$group == "without", ], after - before)
    with_disease <- with(pairs[pairs$group == "with", ], after - before)
    welch <- t.test(without, with_disease)
    put(cohort, "between", tested("welch", welch, mean(without) - mean(with_disease)))
  }
}

shares <- read.csv("proportion_input.csv")
for (row in seq_len(nrow(shares))) {
  put("proportion", as.character(row), shared("wilson", shares$k[row], shares$n[row]))
}

out$value <- sprintf("%.17g", out$value)
cat("# ", R.version.string, "\n", sep = "", file = "cohort_r.csv")
suppressWarnings(write.table(out, "cohort_r.csv", sep = ",", quote = FALSE, row.names = FALSE, append = TRUE))
