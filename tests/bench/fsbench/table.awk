# Lines of candidate, round, phase, unit, figure -> a table of medians, and of the ratios of the last
# candidate to each of the others. With ratios=1: only these, for gnuplot.
function median(list, count,   v, i, j, t) {
    split(list, v, " ")
    for (i = 2; i <= count; i++)
        for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; j--) {
            t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
        }
    if (count % 2)
        return v[(count + 1) / 2]
    return (v[count / 2] + v[count / 2 + 1]) / 2
}
function figure(x) {
    return x < 100 ? sprintf("%.2f", x) : sprintf("%.0f", x)
}
# Sets m[] to the medians of a phase.
function take_medians(phase,   i, key) {
    for (i = 1; i <= name_count; i++) {
        key = column[i] SUBSEP phase
        m[i] = (key in values) ? median(values[key], counts[key]) : ""
    }
}
function ratio(i) {
    return m[i] == "" || m[name_count] == "" || m[i] + 0 == 0 ? "" : m[name_count] / m[i]
}
!(($3 " " $4) in seen) { seen[$3 " " $4] = 1; phases[++phase_count] = $3; units[phase_count] = $4 }
{ values[$1, $3] = values[$1, $3] " " $5; counts[$1, $3]++ }
END {
    name_count = split(order, column, " ")
    if (!ratios) {
        printf "| median |"
        for (i = 1; i <= name_count; i++) printf " %s |", column[i]
        for (i = 1; i < name_count; i++) printf " %s / %s |", column[name_count], column[i]
        printf "\n|---|"
        for (i = 1; i < 2 * name_count; i++) printf "---|"
        printf "\n"
    }
    for (p = 1; p <= phase_count; p++) {
        take_medians(phases[p])
        printf ratios ? "\"%s\"" : "| %s", phases[p]
        if (!ratios) {
            printf ", %s |", units[p]
            for (i = 1; i <= name_count; i++) printf " %s |", m[i] == "" ? "-" : figure(m[i])
        }
        for (i = 1; i < name_count; i++) {
            r = ratio(i)
            if (ratios) printf " %s", r == "" ? "NaN" : r
            else printf " %s |", r == "" ? "-" : sprintf("%.2f", r)
        }
        printf "\n"
    }
}
