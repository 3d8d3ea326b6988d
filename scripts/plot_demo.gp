# Draws the demo's two pictures from the numbers that lazygumbel_demo wrote:
#
#   gnuplot -e "dir='FOLDER'; term='png'" scripts/plot_demo.gp      (or term='svg')
#
# growth.png: time per draw against the number of rows; frequency.png: drawn against exact.

if (!exists("dir")) dir = "."
if (!exists("term")) term = "png"
load dir."/demo.gp"  # titles and fits

if (term eq "svg") {
  set terminal svg size 1200,840 font "DejaVu Sans,22" background rgb "white" dynamic
} else {
  if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
    set terminal pngcairo size 1500,1050 font "DejaVu Sans,22" background rgb "white"
  } else {
    set terminal png size 1500,1050 font "DejaVu Sans,18"
  }
}

blue = "#0060ad"
orange = "#d95f02"
grey = "#c8c8c8"
set encoding utf8
set border 3 linewidth 1.5
set tics nomirror
set grid xtics ytics mytics linewidth 1 linecolor rgb "#d8d8d8", linewidth 0.5 linecolor rgb "#ececec"
set logscale xy
set rmargin 4

# 1. Time per draw against n.
set output dir."/growth.".term
set title "Time per draw, new query each time\n{/*0.75 ".data."}" enhanced
set xlabel "rows n"
set ylabel "median time per draw (milliseconds)"
set key top left Left reverse spacing 1.3 samplen 2.5
set format y "%g"
stats dir."/growth.dat" using 1 nooutput
set xrange [STATS_min / 1.25 : STATS_max * 1.25]
unset mxtics
label(name, exponent) = fitted ? sprintf("%s: grows as n^{%.2f}", name, exponent) : name
inside_data(x) = x >= STATS_min / 1.05 && x <= STATS_max * 1.05
exhaustive_fit(x) = !inside_data(x) ? NaN : exhaustive_factor * x**exhaustive_exponent * 1e3
lazy_fit(x) = !inside_data(x) ? NaN : lazy_factor * x**lazy_exponent * 1e3
plot (fitted ? exhaustive_fit(x) : NaN) with lines linewidth 2 linecolor rgb orange notitle, \
     (fitted ? lazy_fit(x) : NaN) with lines linewidth 2 linecolor rgb blue notitle, \
     dir."/growth.dat" using 1:($2 * 1e3):xtic(6) with points pointtype 7 pointsize 2 linecolor rgb orange \
       title label("exhaustive scan", exhaustive_exponent), \
     "" using 1:($3 * 1e3) with points pointtype 5 pointsize 2 linecolor rgb blue \
       title label("lazy sampler, ".index_name." index", lazy_exponent)

# 2. Drawn frequency against exact probability.
set output dir."/frequency.".term
set title "Drawn frequency against exact probability, one query\n{/*0.75 ".data."; ".draws." draws}" enhanced
set xlabel "exact probability"
set ylabel "frequency among the lazy draws"
set xtics auto
set format xy "10^{%T}"
set mxtics 10
set mytics 10
set xrange [p_low * 0.9 : p_high * 1.25]
set yrange [p_low * 0.25 : p_high * 1.6]
set style fill solid 1.0 noborder
plot dir."/band.dat" using 1:2:3 with filledcurves linecolor rgb grey \
       title sprintf("99.9%% of binomial counts (%d of %d rows inside)", inside, shown), \
     x with lines linewidth 1.5 linecolor rgb "#404040" title "drawn = exact", \
     dir."/frequency.dat" using ($3 == 0 ? $1 : NaN):2 with points pointtype 7 pointsize 0.7 \
       linecolor rgb blue title "row reached by proposals", \
     "" using ($3 == 1 ? $1 : NaN):2 with points pointtype 7 pointsize 1 linecolor rgb orange \
       title "row retrieved by the index"
set output
