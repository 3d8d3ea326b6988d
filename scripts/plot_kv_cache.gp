# Draws what examples/09_kv_cache wrote: error against memory, a panel for each problem.
#
#   gnuplot -c scripts/plot_kv_cache.gp NUMBERS.csv PICTURE.png TITLE SUBTITLE "problem: caption" ...
#
# One problem fills the picture, up to four stand two in a row.

set datafile separator ","
panels = ARGC - 4
single = panels == 1
pixels = single ? "1500,1000" : "1500,1400"
if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
  eval "set terminal pngcairo noenhanced size ".pixels." font 'DejaVu Sans,17' background rgb 'white'"
} else {
  eval "set terminal png noenhanced size ".pixels." font 'DejaVu Sans,14' background rgb 'white'"
}
set output ARG2
set encoding utf8
set border 3 linewidth 1.5
set logscale xy
array cache[7] = ["sub_gen", "sub_gen_stratified", "sub_gen_plain", "sub_gen_self_normalised", "uniform", "window", "window_unmasked"]
array name[7] = ["SubGen, centred", "SubGen, stratified", "SubGen, plain", "SubGen, self-normalised", "uniform sample", "window", "window, unmasked values"]
array color[7] = ["#a50f15", "#e7298a", "#b8860b", "#d95f02", "#404040", "#74a9cf", "#0060ad"]
array shape[7] = [5, 4, 8, 10, 7, 6, 13]
array width[7] = [4, 2.5, 2.5, 2.5, 3, 2.5, 3]

set multiplot
set label 1 ARG3 at screen 0.5, screen single ? 0.965 : 0.975 center font ",24"
set label 2 ARG4 at screen 0.5, screen single ? 0.92 : 0.945 center font ",16" textcolor rgb "#505050"

# The key, for all panels.
set lmargin at screen 0.02
set rmargin at screen 0.98
set bmargin at screen single ? 0.80 : 0.86
set tmargin at screen single ? 0.90 : 0.93
unset border
unset tics
set xrange [1:2]
set yrange [1:2]
set key at screen 0.5, screen (single ? 0.885 : 0.925) top center horizontal maxcols 4 maxrows 2 \
  Left reverse samplen 2.4 spacing 1.25 width 0
plot for [c = 1:7] NaN with linespoints pointtype shape[c] pointsize 1.4 linewidth width[c] \
  linecolor rgb color[c] title name[c]
unset key
unset label 1
unset label 2

set border 3
set xtics nomirror ("0.5%%" 0.005, "1%%" 0.01, "2%%" 0.02, "5%%" 0.05, "10%%" 0.1, "20%%" 0.2, "50%%" 0.5, "100%%" 1)
set ytics nomirror
set grid xtics ytics linewidth 1 linecolor rgb "#dcdcdc" linetype 1
set format y "%g%%"
high = single ? 0.73 : 0.80
each = single ? 0.63 : 0.30
do for [panel = 1:panels] {
  eval sprintf("what = ARG%d", panel + 4)
  problem = what[1:strstrt(what, ":") - 1]
  of(c, y) = strcol("problem") eq problem && strcol("cache") eq c ? y : NaN
  row = (panel - 1) / 2
  right = (panel - 1) % 2
  set lmargin at screen single ? 0.09 : (right ? 0.575 : 0.085)
  set rmargin at screen single ? 0.96 : (right ? 0.97 : 0.48)
  set tmargin at screen high - row * 0.43
  set bmargin at screen high - row * 0.43 - each
  set xrange [*:*]  # which stats would obey
  set yrange [*:*]
  stats ARG1 using (of("exact", column("bytes"))) nooutput
  megabytes = STATS_max / 1e6
  stats ARG1 using (strcol("problem") eq problem ? column("of_exact") : NaN) nooutput
  least = STATS_min
  most = STATS_max
  stats ARG1 using (strcol("problem") eq problem && strcol("cache") ne "exact" && column("median_error") > 0 ? 100 * column("median_error") : NaN) nooutput
  if (!exists("STATS_min")) { STATS_min = 0.1; STATS_max = 100 }  # no error at all
  low = STATS_min / 1.6
  shown(y) = y < low ? low : y  # 0 lies on the axis
  set yrange [low : STATS_max * 1.6]
  set xrange [least / 1.25 : (most > 1 ? most : 1) * 1.25]
  set title problem font ",19" offset 0, 0.35
  set label 4 what[strlen(problem) + 3:*] at graph 0.5, screen high - row * 0.43 + 0.012 center font ",14" textcolor rgb "#505050"
  set ytics nomirror autofreq
  if (STATS_max / STATS_min < 300) {
    set ytics nomirror ("0.01%%" 0.01)
    do for [e = -2:6] { do for [m in "1 2 5"] { set ytics add (sprintf("%g%%%%", m * 10 ** e) m * 10 ** e) } }
  }
  set xlabel sprintf("memory, of the exact cache's %.3g MB", megabytes)
  if (right) { unset ylabel } else { set ylabel "median error" offset 0.5, 0 }
  set arrow 1 from first 1, graph 0 to first 1, graph 1 nohead linewidth 2 dashtype 2 linecolor rgb "#404040"
  set label 3 "exact cache" at first 1, graph 0.5 rotate by 90 center offset -1, 0 textcolor rgb "#404040" font ",14"
  plot for [c = 1:7] ARG1 using (column("of_exact")):(of(cache[c], shown(100 * column("median_error")))) \
    with linespoints pointtype shape[c] pointsize 1.4 linewidth width[c] linecolor rgb color[c] notitle
}
unset multiplot
set output
