#!/bin/sh
# usage: plot.sh RATIOS PICTURE.png "NAME..."
# Bars of the last candidate's figures by each of the others', on a logarithmic scale: 1 is equal.
set -eu

ratios=$1 picture=$2
# shellcheck disable=SC2086 # a list of names
set -- $3
count=$(($# - 1))
for last; do :; done

{
    printf "set terminal pngcairo size 1600,800 noenhanced\nset output '%s'\n" "$picture"
    printf "set title '%s by each of the others: seconds, MB (less is better), ops/s (more is better)'\n" "$last"
    echo "set logscale y 2; set grid y; set style fill solid 0.7; set style data histograms"
    echo "set xtics rotate by -45; set rmargin 14; set key top left; set yrange [0.0625:16]"
    echo "set arrow from graph 0, first 1 to graph 1, first 1 nohead lw 2"
    printf "plot"
    i=1
    for name; do
        [ "$i" -le "$count" ] || break
        printf "%s '%s' using %d%s title 'by %s'" "$([ "$i" -eq 1 ] || echo ,)" "$ratios" $((i + 1)) \
            "$([ "$i" -gt 1 ] || echo ':xtic(1)')" "$name"
        i=$((i + 1))
    done
    echo
} | gnuplot
