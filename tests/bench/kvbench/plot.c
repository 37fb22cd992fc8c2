/*
 * Bars of the ratios, a group for each workload and in it a bar for each length of values, on a
 * logarithmic scale; 1 is the better of the others, and the goals are marks.
 */
#include "bench/kvbench/plot.h"

#include <stdio.h>
#include <string.h>

#include "bench/kvbench/report.h"
#include "bench/kvbench/workload.h"

/* Single quotes are gnuplot's; inside they are doubled. */
static void put_quoted(FILE *out, const char *text)
{
    putc('\'', out);
    for (; *text; text++) {
        if (*text == '\'')
            putc('\'', out);
        putc(*text, out);
    }
    putc('\'', out);
}

static void put_data(FILE *out, const struct config *c, const struct results *rs)
{
    fputs("$ratios << END\n", out);
    for (size_t i = 0; i < c->workload_count; i++) {
        const char *name = c->workloads[i]->name;

        fputs(name, out);
        for (size_t v = 0; v < c->value_len_count; v++) {
            double ratio;

            if (report_ratio(c, rs, name, c->value_lens[v], METRIC_OPS_PER_S, &ratio))
                fprintf(out, " %.4f", ratio);
            else
                fputs(" NaN", out);
            if (goal_of(name, c->value_lens[v]) > 0)
                fprintf(out, " %.4f", goal_of(name, c->value_lens[v]));
            else
                fputs(" NaN", out);
        }
        putc('\n', out);
    }
    fputs("END\n", out);
}

/* Bars of width 1 in groups that are one bar apart; the first stands at 0. */
static void put_plot(FILE *out, const struct config *c)
{
    size_t group = c->value_len_count + 1;

    for (size_t v = 0; v < c->value_len_count; v++) {
        fprintf(out, "%s $ratios using ($0*%zu+%zu):%zu:(0.9)%s with boxes title '%zu bytes'",
                v ? "," : "plot", group, v, 2 * v + 2, v ? "" : ":xtic(1)", c->value_lens[v]);
        fprintf(out, ", $ratios using ($0*%zu+%zu):%zu with points pt 9 ps 1.2 lc 'black' %s",
                group, v, 2 * v + 3, v ? "notitle" : "title 'goal'");
    }
    fputs("\n", out);
}

bool plot_ratios(const struct config *c, const struct results *rs, const char *path)
{
    FILE *out = popen("gnuplot", "we");
    int status;

    if (!out) {
        fprintf(stderr, "kvbench: gnuplot cannot be started\n");
        return false;
    }
    fputs("set terminal pngcairo size 1400,700 noenhanced\nset output ", out);
    put_quoted(out, path);
    fputs("\nset title 'operations per second: ours by the better of RocksDB and LevelDB'\n"
          "set logscale y 2\nset grid y\nset style fill solid 0.7\nset boxwidth 0.9\n"
          "set xtics rotate by -45\nset rmargin 12\nset key top left\nset arrow from graph 0, "
          "first 1 to graph 1, "
          "first 1 nohead lw 2\n",
          out);
    put_data(out, c, rs);
    put_plot(out, c);
    status = pclose(out);
    if (status)
        fprintf(stderr, "kvbench: gnuplot could not make %s (is gnuplot-nox installed?)\n", path);
    return status == 0;
}
