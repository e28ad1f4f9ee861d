#!/bin/bash
# Every row that uses personal data says what for: each command of the writer, job, background, route and CLI command in the
# sources. A member left out would read as the first purpose, and no program could tell; so the sources are read.
. "$(dirname "$0")/../shell.sh"

# rows DIRECTORY: each initialiser of such a row, as "file:line purpose" (purpose "-" where none is named). Rows made by a
# macro of their file count where the macro is.
rows() {
    # shellcheck disable=SC2016 # awk's own variables
    find "$1" -name '*.c' -type f | LC_ALL=C sort | xargs awk '
        function close_row() {
            if (open) {
                print where, (match(text, /PURPOSE_[A-Z]+/) ? substr(text, RSTART, RLENGTH) : "-")
            }
            open = 0
        }
        FNR == 1 { close_row() }
        # struct command_kind x = {, struct background){, a job in a list, rows of routes and CLI commands
        /struct command_kind [a-z_]+ = \{/ || /\(struct (job|background)\)\{/ || /^#define [A-Z]+\(.*on_begin/ ||
        /^#define INGEST\(/ || (FILENAME ~ /commands[.]c$/ && /^    \{ *"[a-z]+", *(NULL|"[a-z-]+"), /) {
            close_row()
            open = 1
            where = FILENAME ":" FNR
            text = ""
        }
        open { text = text $0 }
        open && /^\};|\};$|^ *\}, *$|\},$|^    \}$/ { close_row() }
        END { close_row() }'
}

rows "$top/src" >"$scratch/rows"
check 'the sources have rows of every sort' test "$(wc -l <"$scratch/rows")" -ge 30
for folder in api intake rights tool; do
    check "rows of $folder were found" grep -q "/src/$folder/" "$scratch/rows"
done
if grep ' -$' "$scratch/rows" >"$scratch/missing"; then
    cat "$scratch/missing"
fi
check 'each of them names its purpose' test ! -s "$scratch/missing"

# The test sees a row that has none.
mkdir "$scratch/wrong"
printf 'static const struct command_kind bad = {\n    .name = "bad",\n    .in_ledger = bad_step,\n};\n' >"$scratch/wrong/a.c"
printf 'x = (struct job){ "bad", NULL, run };\n' >"$scratch/wrong/b.c"
rows "$scratch/wrong" >"$scratch/rows"
check 'rows without a purpose are noticed' test "$(grep -c ' -$' "$scratch/rows")" = 2
