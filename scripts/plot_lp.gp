# Draws what examples/06_private_lp wrote: violation against epsilon.
#
#   gnuplot -c scripts/plot_lp.gp VIOLATIONS.csv PICTURE.png TITLE SUBTITLE UNIT both|released
#
# Above, with the theorem's bound; below, the violations alone. `released`: the file has no true
# violations.

both = ARG6 eq "both"
set datafile separator ","
stats ARG1 using (log10(column("epsilon"))) nooutput
lowest = 10 ** STATS_min
highest = 10 ** STATS_max
# Where the keys are: the right part. Its highest value decides how much room they need.
right = lowest * (highest / lowest) ** 0.35
stats ARG1 using (column("theorem_bound")) nooutput
largest_bound = STATS_max
stats ARG1 using (column("epsilon") > right ? column("theorem_bound") : NaN) nooutput
room_above = STATS_max > 0.7 * largest_bound ? 0.4 : 0.05

pixels = "1400,1250"
if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
  eval "set terminal pngcairo noenhanced size ".pixels." font 'DejaVu Sans,19' background rgb 'white'"
} else {
  eval "set terminal png noenhanced size ".pixels." font 'DejaVu Sans,15' background rgb 'white'"
}
set output ARG2
set encoding utf8

bound_color = "#d95f02"
true_color = "#0060ad"
noisy_color = "#404040"
set border 3 linewidth 1.5
set tics nomirror
set grid xtics ytics linewidth 1 linecolor rgb "#dcdcdc" linetype 1
set logscale x
set format x "%g"
set format y "%g"
set xrange [lowest / 1.2 : highest * 1.2]
set lmargin at screen 0.1
set rmargin at screen 0.97
set ylabel "largest violation (".ARG5.")" offset 0.5, 0
set key top right Right samplen 2.6 spacing 1.2
set xzeroaxis linetype 1 linewidth 2 linecolor rgb "#808080"
set multiplot
set label 1 ARG3 at screen 0.5, screen 0.975 center font ",25"
set label 2 ARG4 at screen 0.5, screen 0.947 center font ",17" textcolor rgb "#505050"

set tmargin at screen 0.92
set bmargin at screen 0.59
set yrange [* : (1 + room_above) * largest_bound]
if (both) {
  plot ARG1 using "epsilon":"theorem_bound":xticlabels(1) with linespoints pointtype 7 pointsize 1.4 \
         linewidth 3 linecolor rgb bound_color title "theorem: at most this, with probability 95%", \
       "" using "epsilon":"NOT_PRIVATE_mean" with linespoints pointtype 5 pointsize 1.2 \
         linewidth 3 linecolor rgb true_color title "measured (NOT PRIVATE), mean"
} else {
  plot ARG1 using "epsilon":"theorem_bound":xticlabels(1) with linespoints pointtype 7 pointsize 1.4 \
         linewidth 3 linecolor rgb bound_color title "theorem: at most this, with probability 95%", \
       "" using "epsilon":"noisy_mean" with linespoints pointtype 1 pointsize 1.8 linewidth 2 \
         linecolor rgb noisy_color title "released, with noise"
}
unset label 1
unset label 2

set tmargin at screen 0.52
set bmargin at screen 0.08
set yrange [*:*]
set xlabel "epsilon (less is more private)"
set label 3 "without the bound" at graph 0.02, graph 0.05 left textcolor rgb "#505050"
if (both) {
  set label 4 "0: every row is met" at graph 0.985, first 0 right offset 0, 0.6 font ",15" textcolor rgb "#505050"
  stats ARG1 using (column("NOT_PRIVATE_greatest")) nooutput
  top = STATS_max
  stats ARG1 using (column("noisy_mean") + column("noise_deviation")) nooutput
  top = STATS_max > top ? STATS_max : top
  stats ARG1 using (column("NOT_PRIVATE_glpk")) nooutput
  bottom = STATS_min
  bottom = bottom < 0 ? bottom : 0
  top = top > 0 ? top : 0
  space = top > bottom ? top - bottom : 1
  stats ARG1 using (column("epsilon") > right ? column("NOT_PRIVATE_greatest") : NaN) nooutput
  room = STATS_max - bottom > 0.6 * space ? 0.7 : 0.05
  set yrange [bottom - 0.15 * space : top + room * space]
  plot ARG1 using "epsilon":"NOT_PRIVATE_least":"NOT_PRIVATE_greatest":xticlabels(1) with filledcurves \
         fillcolor rgb "#c6dbef" title "measured (NOT PRIVATE), least to greatest", \
       "" using "epsilon":"NOT_PRIVATE_mean" with linespoints pointtype 5 pointsize 1.2 \
         linewidth 3 linecolor rgb true_color title "mean", \
       "" using "epsilon":"noisy_mean":"noise_deviation" with yerrorbars pointtype 1 pointsize 1.8 \
         linewidth 2 linecolor rgb noisy_color title "released, with noise (mean, +- deviation of one)", \
       "" using "epsilon":"NOT_PRIVATE_glpk" with lines dashtype 2 linewidth 3 \
         linecolor rgb "#1b7837" title "no privacy (NOT PRIVATE): the least possible, by GLPK"
} else {
  set offsets 0, 0, graph 0.2, graph 0.12
  plot ARG1 using "epsilon":"noisy_mean":"noise_deviation":xticlabels(1) with yerrorbars pointtype 1 pointsize 1.8 \
         linewidth 2 linecolor rgb noisy_color title "released, with noise (mean, +- deviation of one)"
}
unset multiplot
set output
