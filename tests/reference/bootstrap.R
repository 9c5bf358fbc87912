# Reference values for registry.statistics.bootstrap, from base R alone: Rscript bootstrap.R, in this folder.
# Reads bootstrap_input.csv and bootstrap_resamples.csv, the very resamples of the registry; writes bootstrap_r.csv.
# Formulas of Efron, J Am Stat Assoc 1987;82:171-85; the jackknife leaves out one patient after the other.

rows <- read.csv("bootstrap_input.csv", stringsAsFactors = FALSE)
resampled <- read.csv("bootstrap_resamples.csv")$difference
change <- split(rows$after - rows$before, rows$group)
estimate <- mean(change$without) - mean(change$with)

# Where a resample equals the estimate up to rounding, it counts half.
same <- abs(resampled - estimate) < 1e-9
z0 <- qnorm(mean(ifelse(same, 0.5, resampled < estimate)))

left_out <- function(group) {
  sapply(seq_along(change[[group]]), function(i) {
    less <- change
    less[[group]] <- less[[group]][-i]
    mean(less$without) - mean(less$with)
  })
}
influences <- lapply(c("without", "with"), function(group) {
  values <- left_out(group)
  n <- length(values)
  (n - 1) * (mean(values) - values) / n
})
u <- unlist(influences)
a <- sum(u^3) / (6 * sum(u^2)^1.5)

z <- qnorm(c(0.025, 0.975))
ends <- quantile(resampled, pnorm(z0 + (z0 + z) / (1 - a * (z0 + z))), type = 7, names = FALSE)

values <- c(estimate = estimate, z0 = z0, a = a, low = ends[1], high = ends[2])
out <- data.frame(cohort = "small", group = "between", statistic = names(values), value = sprintf("%.17g", values))
cat("# ", R.version.string, "\n", sep = "", file = "bootstrap_r.csv")
suppressWarnings(write.table(out, "bootstrap_r.csv", sep = ",", quote = FALSE, row.names = FALSE, append = TRUE))
