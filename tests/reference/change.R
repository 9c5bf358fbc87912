# Reference values for ranks, effects and responses, from base R alone: Rscript change.R, in this folder.
# Reads cohort_input.csv, ranks_input.csv and shares_input.csv, writes change_r.csv.
# Groups as in the report: the first is "without", the second "with".

with_missing <- read.csv("cohort_input.csv")
rows <- rbind(with_missing, read.csv("ranks_input.csv"))
out <- list()

put <- function(cohort, group, ...) {
  values <- c(...)
  out[[length(out) + 1]] <<- data.frame(cohort = cohort, group = group, statistic = names(values), value = unname(values))
}

named <- function(prefix, values) setNames(values, paste0(prefix, "_", names(values)))

# A tighter tolerance than R's own 1e-4, so that its roots are the order statistics to 1e-8.
ranked <- function(...) suppressWarnings(wilcox.test(..., conf.int = TRUE, tol.root = 1e-10))

# The two middle values between which any point solves R's equation, and their mean.
middles <- function(paired) {
  paired <- sort(paired)
  n <- length(paired)
  c(middle_low = paired[(n + 1) %/% 2], middle_high = paired[n %/% 2 + 1], median = median(paired))
}

tested <- function(test, paired) {
  c(statistic = unname(test$statistic), p = test$p.value, exact = as.numeric(grepl("exact", test$method)),
    corrected = as.numeric(grepl("correction", test$method)), root = unname(test$estimate),
    low = test$conf.int[1], high = test$conf.int[2], level = attr(test$conf.int, "conf.level"), middles(paired))
}

within_ranks <- function(before, after) {
  d <- (after - before)[after != before]
  means <- outer(d, d, "+")
  named("signed_rank", c(tested(ranked(after, before, paired = TRUE), means[!lower.tri(means)] / 2),
                         n = length(before), n_zeros = sum(after == before)))
}

# DeLong's variance from all pairs.
superior <- function(x, y) {
  pairs <- outer(x, y, "<") + outer(x, y, "==") / 2
  s <- mean(pairs)
  se <- sqrt(var(rowMeans(pairs)) / length(x) + var(colMeans(pairs)) / length(y))
  limits <- if (s %in% c(0, 1)) c(NA, NA) else plogis(qlogis(s) + c(-1, 1) * qnorm(0.975) * se / (s * (1 - s)))
  c(superiority_value = s, superiority_low = limits[1], superiority_high = limits[2])
}

within_effects <- function(before, after) {
  d <- after - before
  d_z <- mean(d) / sd(d)
  half <- qnorm(0.975) * sqrt(1 / length(d) + d_z^2 / (2 * length(d)))
  r <- suppressWarnings(cor.test(before, after))
  some <- before > 0
  c(d_z_value = d_z, d_z_low = d_z - half, d_z_high = d_z + half, r_value = unname(r$estimate),
    r_low = r$conf.int[1], r_high = r$conf.int[2], percentage_of_means = 100 * (mean(after) / mean(before) - 1),
    percentage_of_individuals = mean(100 * (after[some] / before[some] - 1)), percentage_n = sum(some),
    percentage_n_zero_before = sum(!some), floor_k = sum(after == 0), ceiling_k = sum(after >= 95),
    q1 = unname(quantile(after, 0.25)), q3 = unname(quantile(after, 0.75)))
}

hedges <- function(x, y) {
  n <- c(length(x), length(y))
  df <- sum(n) - 2
  pooled <- sqrt(((n[1] - 1) * var(x) + (n[2] - 1) * var(y)) / df)
  # By beta and not by gamma, which overflows.
  g <- sqrt(2 / df) * sqrt(pi) / beta((df - 1) / 2, 1 / 2) * (mean(x) - mean(y)) / pooled
  half <- qnorm(0.975) * sqrt(sum(1 / n) + g^2 / (2 * sum(n)))
  c(g_value = g, g_low = g - half, g_high = g + half)
}

# The saturated binomial model: its coefficient is the log ratio, its standard error that of the formula.
ratio <- function(prefix, link, yes, no, corrected) {
  group <- c(1, 0)
  mu <- yes / (yes + no)
  fit <- suppressWarnings(glm(cbind(yes, no) ~ group, family = binomial(link), mustart = mu,
                              start = if (link == "log") c(log(mu[2]), log(mu[1] / mu[2])),
                              control = glm.control(epsilon = 1e-15, maxit = 100)))
  line <- summary(fit)$coefficients["group", ]
  values <- exp(line[[1]] + c(0, -1, 1) * qnorm(0.975) * line[[2]])
  named(prefix, c(value = values[1], low = values[2], high = values[3], corrected = as.numeric(corrected)))
}

compared <- function(prefix, k, n) {
  p <- k / n
  wilson <- sapply(1:2, function(i) suppressWarnings(prop.test(k[i], n[i], correct = FALSE))$conf.int)
  d <- p[1] - p[2]
  values <- c(difference_value = d, difference_low = d - sqrt((p[1] - wilson[1, 1])^2 + (wilson[2, 2] - p[2])^2),
              difference_high = d + sqrt((wilson[2, 1] - p[1])^2 + (p[2] - wilson[1, 2])^2),
              fisher_p = fisher.test(rbind(k, n - k))$p.value)
  if (sum(k) > 0 && sum(n - k) > 0) {
    corrected <- any(k == 0 | k == n)
    yes <- k + corrected / 2
    no <- n - k + corrected / 2
    values <- c(values, ratio("risk_ratio", "log", yes, no, corrected), ratio("odds_ratio", "logit", yes, no, corrected))
  }
  named(prefix, values)
}

definitions <- list(
  relief30 = function(b, a) ifelse(b > 0, 10 * (b - a) >= 3 * b, NA), relief50 = function(b, a) ifelse(b > 0, 2 * a <= b, NA),
  points15 = function(b, a) b - a >= 15, reached30 = function(b, a) a <= 30, worse15 = function(b, a) a - b >= 15)

# For every patient with a score before: yes, no, or not counted.
judged <- function(d, definition, missing, is_first) {
  met <- definitions[[definition]](d$before, d$after)
  can_be <- !is.na(definitions[[definition]](d$before, ifelse(is.na(d$after), 50, d$after)))
  well <- definition != "worse15"
  assumed <- switch(missing, left_out = NA, not_met = FALSE, best = well == is_first, worst = well != is_first)
  met[can_be & is.na(d$after)] <- assumed
  met[!is.na(met)]
}

for (cohort in unique(rows$cohort)) {
  all <- rows[rows$cohort == cohort, ]
  change <- list()
  for (group in c("without", "with")) {
    d <- all[all$group == group & !is.na(all$before), ]
    both <- d[!is.na(d$after), ]
    change[[group]] <- both$after - both$before
    if (nrow(both) >= 5) put(cohort, group, within_ranks(both$before, both$after), within_effects(both$before, both$after))
    if (!cohort %in% with_missing$cohort) next
    improved <- both$before - both$after
    for (cut in c(-20, 0, 1, 15, 50)) {
      put(cohort, group, setNames(c(mean(improved >= cut), sum(improved >= cut) / nrow(d)), paste0("curve_", cut, c("_left_out", "_not_met"))))
    }
    for (definition in names(definitions)) for (missing in c("left_out", "not_met", "best", "worst")) {
      met <- judged(d, definition, missing, TRUE)
      wilson <- suppressWarnings(prop.test(sum(met), length(met), correct = FALSE))$conf.int
      put(cohort, group, named(paste(definition, missing, sep = "_"), c(k = sum(met), n = length(met), low = wilson[1], high = wilson[2])))
    }
  }
  if (min(lengths(change)) >= 5) {
    x <- change$without
    y <- change$with
    put(cohort, "between", named("rank_sum", tested(ranked(x, y), outer(x, y, "-"))), superior(x, y), hedges(x, y))
    if (!cohort %in% with_missing$cohort) next
    for (definition in c("relief30", "worse15")) for (missing in c("left_out", "not_met", "best", "worst")) {
      met <- lapply(c("without", "with"), function(group) {
        judged(all[all$group == group & !is.na(all$before), ], definition, missing, group == "without")
      })
      put(cohort, "between", compared(paste(definition, missing, sep = "_"), sapply(met, sum), lengths(met)))
    }
  }
}

shares <- read.csv("shares_input.csv")
for (row in seq_len(nrow(shares))) {
  one <- shares[row, ]
  put("shares", as.character(row), compared("shares", c(one$k_first, one$k_second), c(one$n_first, one$n_second)))
}

out <- do.call(rbind, out)
out$value <- sprintf("%.17g", out$value)
cat("# ", R.version.string, "\n", sep = "", file = "change_r.csv")
suppressWarnings(write.table(out, "change_r.csv", sep = ",", quote = FALSE, row.names = FALSE, append = TRUE))
