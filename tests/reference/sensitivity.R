# Reference values for registry.statistics.missing, selection and precision, from base R alone:
# Rscript sensitivity.R, in this folder. Reads cohort_input.csv, writes sensitivity_r.csv.

rows <- read.csv("cohort_input.csv", stringsAsFactors = FALSE)
rows$group <- factor(rows$group, levels = c("with", "without"))
out <- data.frame(cohort = character(), group = character(), statistic = character(), value = numeric())

put <- function(cohort, group, ...) {
  values <- c(...)
  out <<- rbind(out, data.frame(cohort = cohort, group = group, statistic = names(values), value = unname(values)))
}

balance <- function(x, y) (mean(x) - mean(y)) / sqrt((var(x) + var(y)) / 2)

# Every missing score is filled in from the line of the answered, plus delta, and the line is fitted again.
filled_difference <- function(d, fit, delta) {
  d <- d[!is.na(d$before), ]
  missing <- is.na(d$after)
  d$after[missing] <- predict(fit, d[missing, ]) + delta[as.character(d$group[missing])]
  coef(lm(after ~ before + group, data = d))[["groupwithout"]]
}

for (cohort in unique(rows$cohort)) {
  all <- rows[rows$cohort == cohort, ]
  pairs <- all[!is.na(all$before) & !is.na(all$after), ]
  for (group in levels(all$group)) {
    d <- all[all$group == group & !is.na(all$before), ]
    answered <- d$before[!is.na(d$after)]
    missing <- d$before[is.na(d$after)]
    put(cohort, group, n_answered = length(answered), n_missing = length(missing))
    if (length(missing) > 1 && length(answered) > 1) put(cohort, group, baseline_difference = balance(answered, missing))
    both <- pairs[pairs$group == group, ]
    if (nrow(both) < 5) next
    line <- lm(after ~ before, data = both)
    slope <- coef(line)[["before"]]
    for (cut in c(30, 60)) {
      chosen <- both[both$before >= cut, ]
      if (nrow(chosen) == 0) next
      m <- mean(both$before)
      s <- sd(both$before)
      tail <- pnorm((cut - m) / s, lower.tail = FALSE)
      values <- c(rule = -(1 - slope) * (mean(chosen$before) - m),
                  normal = -(1 - cor(both$before, both$after)) * (s * dnorm((cut - m) / s) / tail),
                  n = nrow(chosen), if (nrow(chosen) > 1) c(observed = mean(chosen$after - chosen$before)))
      put(cohort, group, setNames(values, paste0("selection", cut, "_", names(values))), slope = slope)
    }
  }
  if (min(table(pairs$group)) < 5) next
  fit <- lm(after ~ before + group, data = pairs)
  se <- summary(fit)$coefficients["groupwithout", "Std. Error"]
  df <- fit$df.residual
  reach <- qt(0.975, df) * se
  for (delta in list(c(0, 0), c(10, 0), c(0, 10), c(-20, 30))) {
    delta <- setNames(delta, c("without", "with"))
    estimate <- filled_difference(all, fit, delta)
    name <- sprintf("delta_%d_%d", delta[["without"]], delta[["with"]])
    put(cohort, "between", setNames(c(estimate, estimate - reach, estimate + reach), paste0(name, c("_estimate", "_low", "_high"))))
  }
  start <- coef(fit)[["groupwithout"]]
  ends <- c(start - reach, start + reach)
  for (group in levels(all$group)) {
    missing <- all[all$group == group & !is.na(all$before) & is.na(all$after), ]
    if (nrow(missing) == 0) next
    one <- setNames(c(0, 0), levels(all$group))
    one[group] <- 1
    weight <- filled_difference(all, fit, one) - filled_difference(all, fit, 0 * one)
    put(cohort, group, weight = weight, tipping_delta = -ends[which.min(abs(ends))] / weight,
        imputed_mean = mean(predict(fit, missing)))
  }
  ends_of_means <- function(group, taken) {
    d <- all[all$group == group & !is.na(all$before), ]
    after <- ifelse(is.na(d$after), taken, d$after)
    c(after = mean(after), change = mean(after - d$before))
  }
  low <- ends_of_means("without", 0) - ends_of_means("with", 100)
  high <- ends_of_means("without", 100) - ends_of_means("with", 0)
  put(cohort, "between", setNames(c(low, high), c("bound_after_low", "bound_change_low", "bound_after_high", "bound_change_high")))

  critical <- qt(0.975, df)
  power <- pt(critical, df, ncp = 15 / se, lower.tail = FALSE) + pt(-critical, df, ncp = 15 / se)
  small <- 4 / se
  put(cohort, "between", half_width = reach, power15 = power,
      power4 = pt(critical, df, ncp = small, lower.tail = FALSE) + pt(-critical, df, ncp = small))
  variance <- summary(fit)$sigma^2
  n <- table(pairs$group)
  within <- sum(residuals(lm(before ~ group, data = pairs))^2)
  gap <- diff(tapply(pairs$before, pairs$group, mean))[[1]]
  for (wanted in c(5, 2)) {
    more <- 0
    repeat {
      error <- sqrt(variance * (sum(1 / (n + more)) + gap^2 / (within * (sum(n) + 2 * more) / sum(n))))
      if (qt(0.975, sum(n) + 2 * more - 3) * error <= wanted) break
      more <- more + 1
    }
    put(cohort, "between", setNames(more, paste0("more_for_", wanted)))
  }
}

out <- unique(out)
out$value <- sprintf("%.17g", out$value)
cat("# ", R.version.string, "\n", sep = "", file = "sensitivity_r.csv")
suppressWarnings(write.table(out, "sensitivity_r.csv", sep = ",", quote = FALSE, row.names = FALSE, append = TRUE))
