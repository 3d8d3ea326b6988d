# Draws what examples/08_gradient_descent wrote: log loss of the test images against steps and
# against seconds, exact and sampled gradients.
#
#   gnuplot -c scripts/plot_descent.gp NUMBERS.csv PICTURE.png TITLE SUBTITLE

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
sampled_color = "#0060ad"
set border 3 linewidth 1.5
set tics nomirror
set grid xtics ytics linewidth 1 linecolor rgb "#dcdcdc" linetype 1
set key top right Right samplen 2.6 spacing 1.2
set format x "%g"
set format y "%g"
set multiplot
set label 1 ARG3 at screen 0.5, screen 0.965 center font ",24"
set label 2 ARG4 at screen 0.5, screen 0.92 center font ",16" textcolor rgb "#505050"
set tmargin at screen 0.86
set bmargin at screen 0.12

set lmargin at screen 0.07
set rmargin at screen 0.5
set xlabel "steps"
set ylabel "log loss" offset 0.5, 0
plot ARG1 using "step":"exact_batch" with lines dashtype 3 linewidth 2 linecolor rgb exact_color \
       title "exact, batch", \
     "" using "step":"sampled_batch" with lines dashtype 3 linewidth 2 linecolor rgb sampled_color \
       title "sampled, batch", \
     "" using "step":"exact_test" with linespoints pointtype 7 pointsize 1 linewidth 3 \
       linecolor rgb exact_color title "exact, test images", \
     "" using "step":"sampled_test" with linespoints pointtype 5 pointsize 1 linewidth 3 \
       linecolor rgb sampled_color title "sampled, test images"
unset label 1
unset label 2
unset ylabel

set lmargin at screen 0.56
set rmargin at screen 0.98
set xlabel "seconds of training"
plot ARG1 using "exact_seconds":"exact_test" with linespoints pointtype 7 pointsize 1 linewidth 3 \
       linecolor rgb exact_color title "exact, test images", \
     "" using "sampled_seconds":"sampled_test" with linespoints pointtype 5 pointsize 1 linewidth 3 \
       linecolor rgb sampled_color title "sampled, test images"
unset multiplot
set output
