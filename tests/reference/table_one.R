# Reference values for registry.statistics.table_one, from base R alone: Rscript table_one.R, in this folder.
# Reads table_one_input.csv, writes table_one_r.csv.

rows <- read.csv("table_one_input.csv", stringsAsFactors = FALSE, na.strings = "", colClasses = "character")
out <- data.frame(cohort = character(), group = character(), statistic = character(), value = numeric())

put <- function(cohort, group, ...) {
  values <- c(...)
  out <<- rbind(out, data.frame(cohort = cohort, group = group, statistic = names(values), value = unname(values)))
}

for (variable in unique(rows$variable)) {
  d <- rows[rows$variable == variable, ]
  sides <- lapply(c("without", "with"), function(group) d$value[d$group == group])
  names(sides) <- c("without", "with")
  known <- lapply(sides, function(x) x[!is.na(x)])
  for (group in names(sides)) put(variable, group, n = length(known[[group]]), n_missing = sum(is.na(sides[[group]])))
  if (d$kind[1] == "continuous") {
    x <- lapply(known, as.numeric)
    for (group in names(x)) {
      q <- quantile(x[[group]], c(0.25, 0.5, 0.75), type = 7, names = FALSE)
      put(variable, group, mean = mean(x[[group]]), sd = sd(x[[group]]), q1 = q[1], median = q[2], q3 = q[3])
    }
    put(variable, "between", difference = (mean(x$without) - mean(x$with)) / sqrt((var(x$without) + var(x$with)) / 2))
  } else if (d$kind[1] == "binary") {
    p <- sapply(known, function(x) mean(as.numeric(x)))
    put(variable, "between", difference = (p[["without"]] - p[["with"]]) / sqrt(sum(p * (1 - p)) / 2))
  } else {
    # From indicator columns and their covariances with denominator n; the first level is the one left out.
    levels <- sort(unique(unlist(known)))
    indicators <- lapply(known, function(x) sapply(levels[-1], function(level) as.numeric(x == level)))
    spread <- lapply(indicators, function(x) cov(x) * (nrow(x) - 1) / nrow(x))
    gap <- colMeans(indicators$without) - colMeans(indicators$with)
    distance <- sqrt(mahalanobis(gap, rep(0, length(gap)), (spread$without + spread$with) / 2))
    put(variable, "between", difference = distance)
  }
}

out$value <- sprintf("%.17g", out$value)
cat("# ", R.version.string, "\n", sep = "", file = "table_one_r.csv")
suppressWarnings(write.table(out, "table_one_r.csv", sep = ",", quote = FALSE, row.names = FALSE, append = TRUE))
