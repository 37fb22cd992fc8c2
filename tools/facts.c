/*
 * A report, kept as JSON and printed as such or as text. See facts.h.
 */
#include "tools/facts.h"

#include <string.h>

#include "tools/cli.h"

void facts_init(struct facts *f)
{
    f->root = json_object();
    f->failed = !f->root;
}

void facts_done(struct facts *f)
{
    json_decref(f->root);
}

void facts_add(struct facts *f, const char *key, json_t *value)
{
    if (json_object_set_new(f->root, key, value))
        f->failed = true;
}

void facts_add_int(struct facts *f, const char *key, uint64_t v)
{
    facts_add(f, key, json_integer((json_int_t)v));
}

void facts_add_name(struct facts *f, const char *key, const char *name)
{
    if (cli_json_name(f->root, key, name))
        f->failed = true;
}

void facts_add_levels(struct facts *f, const struct lsm_stats *stats)
{
    json_t *levels = json_array();

    for (int i = 0; i < 7 && levels; i++) {
        json_t *level =
            json_pack("{s:i, s:I, s:I}", "level", i, "tables", (json_int_t)stats->table_count[i],
                      "bytes", (json_int_t)stats->table_len[i]);

        if (stats->table_count[i] == 0)
            json_decref(level);
        else if (!level || json_array_append_new(levels, level))
            f->failed = true;
    }
    facts_add(f, "levels", levels);
}

static bool is_bytes(const char *key)
{
    size_t len = strlen(key);

    return !strcmp(key, "block_size") || (len > 6 && !strcmp(key + len - 6, "_bytes"));
}

static void print_list(const json_t *list)
{
    size_t i;
    json_t *v;
    char len[32];

    putchar('\n');
    json_array_foreach(list, i, v)
    {
        if (json_is_string(v))
            printf("  %s\n", json_string_value(v));
        else
            printf("  level %lld: %lld tables, %s\n",
                   (long long)json_integer_value(json_object_get(v, "level")),
                   (long long)json_integer_value(json_object_get(v, "tables")),
                   cli_size_text((uint64_t)json_integer_value(json_object_get(v, "bytes")), len));
    }
}

/* "store_disk_bytes" is shown as "store disk size". */
static void print_key(const char *key, size_t width)
{
    size_t len = strlen(key);
    char text[64];

    snprintf(text, sizeof(text), "%s", key);
    if (len > 6 && len < sizeof(text) && !strcmp(key + len - 6, "_bytes"))
        memcpy(text + len - 6, " size", 6);
    for (char *p = text; *p; p++)
        *p = *p == '_' ? ' ' : *p;
    printf("%s:%*s", text, (int)(width - strlen(text)), "");
}

/* Columns of the longest key, with its colon and a space; the printed keys are never longer. */
static size_t key_width(json_t *root)
{
    size_t width = 18;
    const char *key;
    json_t *v;

    json_object_foreach(root, key, v)
    {
        width = strlen(key) + 2 > width ? strlen(key) + 2 : width;
    }
    return width;
}

static void print_text(json_t *root)
{
    size_t width = key_width(root);
    const char *key;
    json_t *v;
    char len[32];

    json_object_foreach(root, key, v)
    {
        if (json_is_string(v) && !*json_string_value(v))
            continue;
        print_key(key, width);
        if (json_is_array(v)) {
            print_list(v);
        } else if (json_is_string(v)) {
            cli_put_name(stdout, json_string_value(v));
            putchar('\n');
        } else if (json_is_boolean(v)) {
            puts(json_is_true(v) ? "yes" : "no");
        } else if (is_bytes(key)) {
            printf("%s\n", cli_size_text((uint64_t)json_integer_value(v), len));
        } else {
            printf("%lld\n", (long long)json_integer_value(v));
        }
    }
}

int facts_print(struct facts *f, bool json)
{
    if (f->failed)
        return cli_error("out of memory");
    if (json)
        return cli_json_print(json_incref(f->root));
    print_text(f->root);
    return STATUS_OK;
}
