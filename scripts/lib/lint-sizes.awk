# Prints every function longer than `limit` lines. Relies on clang-format's layout, which
# scripts/lint has checked before: a block opens with "{" at a line's end and its "}" stands at
# the indentation of the line that began the statement.
function indent(line) { match(line, /^ */); return RLENGTH }

FNR == 1 { depth = 0; begun = 0; raw = 0 }

# Inside a raw string nothing counts.
raw { if (index($0, raw_end)) raw = 0; next }
{
  line = $0
  if (match(line, /R"[A-Za-z_]*\(/)) {
    raw_end = ")" substr(line, RSTART + 2, RLENGTH - 3) "\""
    if (!index(substr(line, RSTART + RLENGTH), raw_end)) { raw = 1 }
  }
  sub(/\/\/.*/, "", line)
  sub(/ +$/, "", line)
}
line == "" || line ~ /^#/ { next }

# A statement begins where none is open; its indentation is where its "}" will stand.
!begun { begun = FNR; begun_text = ""; begun_indent = indent(line) }
{ begun_text = begun_text " " line }

line ~ /\{$/ {
  is_function = begun_text ~ /\(/ &&
    begun_text !~ /^ *(namespace|class|struct|enum|union|extern|if|for|while|switch|else|do|case|default|return|template<>)[ ({]/ &&
    begun_text !~ /^ *[^(]*=[^(]*\(/
  if (!in_function && is_function) { in_function = begun; function_indent = begun_indent; name = begun_text }
  begun = 0
  next
}
in_function && line ~ /^ *\}/ && indent(line) == function_indent {
  size = FNR - in_function + 1
  if (size > limit) {
    sub(/\(.*/, "", name); sub(/^ */, "", name)
    printf "%s:%d: function of %d lines (limit %d): %s\n", FILENAME, in_function, size, limit, name
  }
  in_function = 0
}
line ~ /[;}:]$/ || line ~ /^ *\}/ { begun = 0 }
