# Draws what examples/07_knn_attention wrote.
#
#   gnuplot -c scripts/plot_attention.gp NUMBERS.csv PICTURE.png error|time TITLE SUBTITLE
#
# error: error against rows touched, a panel for each of two temperatures. time: microseconds of a
# query against the number of keys, all queries in one call and one by one.

set datafile separator ","
pixels = "1500,800"
if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
  eval "set terminal pngcairo noenhanced size ".pixels." font 'DejaVu Sans,17' background rgb 'white'"
} else {
  eval "set terminal png noenhanced size ".pixels." font 'DejaVu Sans,14' background rgb 'white'"
}
set output ARG2
set encoding utf8
exact_color = "#404040"
top_color = "#d95f02"
sampled_color = "#0060ad"
set border 3 linewidth 1.5
set tics nomirror
set grid xtics ytics linewidth 1 linecolor rgb "#dcdcdc" linetype 1
set logscale xy
set key samplen 2.6 spacing 1.2
set multiplot
set label 1 ARG4 at screen 0.5, screen 0.965 center font ",24"
set label 2 ARG5 at screen 0.5, screen 0.92 center font ",16" textcolor rgb "#505050"
set tmargin at screen 0.82
set bmargin at screen 0.12

if (ARG3 eq "error") {
  stats ARG1 using (column("temperature")) nooutput
  first = STATS_min
  last = STATS_max
  stats ARG1 using (column("top_error") > 0 ? 100 * column("top_error") : NaN) nooutput
  low = STATS_min
  high = STATS_max
  stats ARG1 using (column("sampled_error") > 0 ? 100 * column("sampled_error") : NaN) nooutput
  low = STATS_min < low ? STATS_min : low
  high = STATS_max > high ? STATS_max : high
  stats ARG1 using (column("budget")) nooutput
  set xrange [STATS_min / 1.3 : STATS_max * 1.5]
  low = low < 0.002 ? 0.002 : low  # below, rounding to float is most of it
  set yrange [low / 1.5 : high * (high / low) ** 0.2]
  set format y "%g%%"
  set xlabel "rows of keys and values touched by a query"
  set ylabel "mean error" offset 0.5, 0
  do for [panel = 1:2] {
    at = panel == 1 ? first : last
    set lmargin at screen panel == 1 ? 0.09 : 0.57
    set rmargin at screen panel == 1 ? 0.49 : 0.97
    if (panel == 2) { unset label 1; unset label 2; unset ylabel }
    set title sprintf("temperature %g", at)
    same(t) = abs(t - at) < 1e-6 * at
    plot ARG1 using (same(column("temperature")) ? column("top_keys") : NaN):(100 * column("top_error")) \
           with linespoints pointtype 7 pointsize 1.3 linewidth 3 linecolor rgb top_color title "top-k only", \
         "" using (same(column("temperature")) ? column("sampled_keys") : NaN):(100 * column("sampled_error")) \
           with linespoints pointtype 5 pointsize 1.3 linewidth 3 linecolor rgb sampled_color \
           title "top-k + tail, half of the budget each"
  }
} else {
  # Room for the key above the lines.
  stats ARG1 using (column("exact_one")) nooutput
  high = STATS_max
  stats ARG1 using (column("exact_batch")) nooutput
  high = STATS_max > high ? STATS_max : high
  stats ARG1 using (column("sampled_one")) nooutput
  high = STATS_max > high ? STATS_max : high
  stats ARG1 using (column("sampled_batch")) nooutput
  low = STATS_min
  high = STATS_max > high ? STATS_max : high
  stats ARG1 using (column("exact_batch")) nooutput
  low = STATS_min < low ? STATS_min : low
  stats ARG1 using (column("keys")) nooutput  # before a range of y, which it would obey
  set xrange [STATS_min / 1.15 : STATS_max * 1.15]
  set yrange [low / 1.5 : high * (high / low) ** 0.3]
  set format y "%g"
  set xlabel "keys"
  set ylabel "microseconds a query" offset 0.5, 0
  set key top left Left reverse
  do for [panel = 1:2] {
    kind = panel == 1 ? "batch" : "one"
    set lmargin at screen panel == 1 ? 0.09 : 0.57
    set rmargin at screen panel == 1 ? 0.49 : 0.97
    if (panel == 2) { unset label 1; unset label 2; unset ylabel }
    set title panel == 1 ? "all queries in one call" : "one query after the other, against a cache"
    plot ARG1 using "keys":"exact_".kind:xticlabels(1) with linespoints pointtype 7 pointsize 1.3 \
           linewidth 3 linecolor rgb exact_color title "exact", \
         "" using "keys":"sampled_".kind with linespoints pointtype 5 pointsize 1.3 \
           linewidth 3 linecolor rgb sampled_color title "top-k + tail"
  }
}
unset multiplot
set output
