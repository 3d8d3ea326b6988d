# Draws the picture of examples/05_private_release.cpp from the numbers that it wrote:
#
#   gnuplot -c scripts/plot_release.gp NUMBERS.dat PICTURE.png TITLE SUBTITLE both|released
#
# NUMBERS.dat: one block a panel, its first line the panel's title, then label, released, true.

both = ARG5 eq "both"
stats ARG1 using 2 nooutput
panels = STATS_blocks
columns = ceil(sqrt(panels))
rows = ceil(panels / (columns * 1.0))

width = columns == 1 ? 1300 : 800 * columns
height = 480 * rows + 130
pixels = sprintf("%d,%d", width, height)
if (strstrt(GPVAL_TERMINALS, "pngcairo") > 0) {
  eval "set terminal pngcairo noenhanced size ".pixels." font 'DejaVu Sans,19' background rgb 'white'"
} else {
  eval "set terminal png noenhanced size ".pixels." font 'DejaVu Sans,15' background rgb 'white'"
}
set output ARG2
set encoding utf8

true_color = "#c0c0c0"  # light and dark: told apart in grey print, too
released_color = "#0060ad"
set style fill solid 1.0 border rgb "#404040"
set border 3 linewidth 1.5
set tics nomirror
set xtics scale 0
set grid ytics linewidth 1.5 linecolor rgb "#dcdcdc" linetype 1
set format y "%g"
top = 1 - 125.0 / height  # of the panels
set multiplot layout rows, columns margins char 9, char 2, char 3, screen top spacing char 9, char 5
set label 1 ARG3 at screen 0.5, screen 1 - 30.0 / height center font ",25"
set label 2 ARG4 at screen 0.5, screen 1 - 66.0 / height center font ",17" textcolor rgb "#505050"

do for [i = 0 : panels - 1] {
  set xrange [*:*]
  set yrange [*:*]
  name = ""
  stats ARG1 index i every ::0::0 using (name = strcol(1), 2) nooutput
  longest = 0
  longer(text) = strlen(text) > longest ? strlen(text) : longest
  stats ARG1 index i every ::1 using (longest = longer(strcol(1)), $2) nooutput
  values = STATS_records
  highest = STATS_max
  if (both) {
    stats ARG1 index i every ::1 using 3 nooutput
    highest = STATS_max > highest ? STATS_max : highest
  }
  set xrange [-0.6 : values - 0.4]
  set yrange [0 : highest > 0 ? 1.22 * highest : 1]  # room for the key and the numbers
  set title name offset 0, -0.6
  if (i % columns == 0) { set ylabel "records" offset 0.5, 0 } else { unset ylabel }
  set key top right Right samplen 1.5
  if (i > 0 || !both) { unset key }
  every_nth = int(ceil(values / 30.0))
  label(row) = int(row) % every_nth == 0 ? strcol(1) : ""
  if ((longest + 1) * values > 50) { set xtics rotate by -40 font ",13" } else { set xtics norotate font ",19" }
  numbers = both && values <= 8 && columns <= 2
  if (both) {
    plot ARG1 index i every ::1 using 0:(0):xtic(label($0)) with impulses notitle, \
         "" index i every ::1 using ($0 - 0.2):3:(0.38) with boxes linecolor rgb true_color \
           title "true", \
         "" index i every ::1 using ($0 + 0.2):2:(0.38) with boxes linecolor rgb released_color \
           title "released", \
         "" index i every ::1 using ($0 - 0.2):(numbers ? $3 : NaN):(sprintf("%.0f", $3)) \
           with labels offset 0, 0.6 font ",14" textcolor rgb "#505050" notitle, \
         "" index i every ::1 using ($0 + 0.2):(numbers ? $2 : NaN):(sprintf("%.0f", $2)) \
           with labels offset 0, 0.6 font ",14" textcolor rgb released_color notitle
  } else {
    plot ARG1 index i every ::1 using 0:(0):xtic(label($0)) with impulses notitle, \
         "" index i every ::1 using 0:2:(0.7) with boxes linecolor rgb released_color \
           title "released"
  }
  unset label 1
  unset label 2
}
unset multiplot
set output
