# SPDX-License-Identifier: MIT
# The table in src/settings.c as paragraphs of turnkeeper.conf(5), at the line @SETTINGS@ of the template.
#   awk -f man/settings.awk src/settings.c man/turnkeeper.conf.5.in

function roff(s) {
    gsub(/\\/, "\\e", s)
    gsub(/-/, "\\-", s)
    if (s ~ /^[.']/)
        s = "\\&" s
    return s
}

# The strings of a row, in order, in part[1..n]; what stands between them in gap[1..n+1].
function split_row(row,    n, at, c, inside, text) {
    n = 0
    text = ""
    inside = 0
    for (at = 1; at <= length(row); at++) {
        c = substr(row, at, 1)
        if (inside && c == "\\") {
            at++
            text = text substr(row, at, 1)
        } else if (c == "\"") {
            if (inside)
                part[++n] = text
            else
                gap[n + 1] = text
            text = ""
            inside = !inside
        } else {
            text = text c
        }
    }
    gap[n + 1] = text
    return n
}

function paragraph(row,    n, kind, help, value, what, range) {
    n = split_row(row)
    kind = gap[1]
    gsub(/[^A-Z_]/, "", kind)
    help = part[n]
    value = ""
    what = ""
    if (kind == "CHOICE") {
        value = part[2]
        what = "One of " part[3] "."
        gsub(/\|/, ", ", what)
    } else if (kind == "NUMBER") {
        value = part[2]
        split(gap[3], range, /, */)
        if (range[3] == "INT32_MAX")
            range[3] = "2147483647"
        if (range[3] == "INT64_MAX")
            range[3] = "9223372036854775807"
        what = "A number from " range[2] " to " range[3] "."
    } else if (kind == "YES_NO") {
        value = part[2]
        what = "yes or no."
    } else if (kind == "SECRET") {
        what = "A secret: " part[1] "_FILE=path reads it from a file."
    } else if (n == 3) {
        value = part[2]
    } else if (match(gap[2], /DEFAULT_[A-Z_]+/)) {
        value = place[substr(gap[2], RSTART, RLENGTH)]
    }
    print ".TP"
    print ".B " roff(part[1]) (value != "" ? " = " roff(value) : "")
    if (help !~ /^[a-z]+:/) # a URL stays what it is
        help = toupper(substr(help, 1, 1)) substr(help, 2)
    print roff(help) "."
    if (what != "")
        print roff(what)
    if (gap[n + 1] ~ /RELOADS/)
        print "Reloads."
}

BEGIN {
    place["DEFAULT_STATE_FILE"] = "@localstatedir@/lib/turnkeeper/state.db"
    place["DEFAULT_RUN_DIR"] = "@runstatedir@/turnkeeper"
    place["DEFAULT_SQL_DIR"] = "@pkgdatadir@/sql"
}

FNR == 1 { files++ }

files == 1 {
    if ($0 ~ /conf_option table\[\] = \{/)
        inside = 1
    else if (inside && $0 ~ /^};/)
        inside = 0
    else if (inside && $0 ~ /[^ ]/) {
        row = row $0
        if ($0 ~ /\),$/) {
            rows[++rows_n] = row
            row = ""
        }
    }
    next
}

/^@SETTINGS@$/ {
    for (i = 1; i <= rows_n; i++)
        paragraph(rows[i])
    next
}

{ print }
