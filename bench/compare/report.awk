# Medians of runs.tsv (second file) for the rows of rows.sh (first file): as a Markdown table or,
# with -v form=json, as one JSON object that also holds every run.
BEGIN { FS = "|" }

FNR == 1 { ++file; FS = file == 1 ? "|" : "\t"; $0 = $0 }

file == 1 {
  order[++row_count] = $1
  title[$1] = $2; figure[$1] = $3; unit[$1] = $4; compared[$1] = $5; bar[$1] = $6
  next
}

{
  key = $1 SUBSEP $2
  values[key] = values[key] " " figure_of($5, figure[$1])
  if ($4 > 0 && number($5, "ops_per_s") > 0)
    cpu[key] = cpu[key] " " $4 / (number($5, "ops_per_s") * (seconds + warmup_seconds))
  runs[++run_count] = sprintf("{\"row\":\"%s\",\"system\":\"%s\",\"round\":%d,\"server_cpu_us\":%d,\"report\":%s}",
                              $1, $2, $3, $4, $5)
}

function number(json, name) {
  if (!match(json, "\"" name "\":[-0-9.e+]+")) return 0
  return substr(json, RSTART + length(name) + 3, RLENGTH - length(name) - 3) + 0
}

function figure_of(json, spec,    parts) {
  return split(spec, parts, "-") == 2 ? number(json, parts[1]) - number(json, parts[2]) : number(json, spec)
}

function median(list,    v, n, i, j, t) {
  n = split(list, v, " ")
  if (n == 0) return ""
  for (i = 2; i <= n; ++i)
    for (j = i; j > 1 && v[j - 1] + 0 > v[j] + 0; --j) { t = v[j]; v[j] = v[j - 1]; v[j - 1] = t }
  return n % 2 ? v[(n + 1) / 2] + 0 : (v[n / 2] + v[n / 2 + 1]) / 2
}

function shown(value,    text) {
  if (value == "") return ""
  if (value >= 10000 || value <= -10000) return sprintf("%.1f k", value / 1000)
  return sprintf(value >= 100 || value <= -100 ? "%.0f" : "%.2f", value)
}

function figure_text(value, row) {
  if (value == "") return ""
  if (unit[row] == "µs" && value >= 10000) return sprintf("%.1f ms", value / 1000)
  return shown(value) (unit[row] == "/s" ? "/s" : " " unit[row])
}

# "yes", "**no**", or nothing where there is no bar or nothing to hold against it.
function verdict(row, value, ratio,    bounded) {
  bounded = compared[row] ~ /^ratio/ ? ratio : value
  if (compared[row] == "-" || bounded == "") return ""
  return (compared[row] ~ /<=$/ ? bounded <= bar[row] : bounded >= bar[row]) ? "yes" : "**no**"
}

function bar_text(row,    sign) {
  if (compared[row] == "-") return ""
  sign = compared[row] ~ /<=$/ ? "≤ " : "≥ "
  return sign (compared[row] ~ /^ratio/ ? bar[row] " × etcd" : figure_text(bar[row] + 0, row))
}

function summarize(row) {
  ours = median(values[row SUBSEP (row ~ /^echo/ ? "echo" : "cairn")])
  theirs = median(values[row SUBSEP "etcd"])
  ratio = ours != "" && theirs != "" && theirs != 0 ? ours / theirs : ""
  our_cpu = median(cpu[row SUBSEP "cairn"])
  their_cpu = median(cpu[row SUBSEP "etcd"])
  ceiling = row
  sub(/^append/, "echo", ceiling)
  ceiling = ceiling == row ? "" : median(values[ceiling SUBSEP "echo"])
  share = ours != "" && ceiling != "" && ceiling > 0 && unit[row] == "/s" ? ours / ceiling : ""
}

function markdown(    i, row) {
  print ""
  printf "%s. Medians of %d rounds of %s s.\n\n", machine, rounds, seconds
  print "| | etcd | Cairn | Cairn / etcd | bar | met | server CPU/op, etcd | Cairn | share of a bare echo |"
  print "| --- | ---: | ---: | ---: | --- | --- | ---: | ---: | ---: |"
  for (i = 1; i <= row_count; ++i) {
    row = order[i]
    summarize(row)
    if (ours == "" && theirs == "") continue
    printf "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", title[row], figure_text(theirs, row),
           figure_text(ours, row), ratio == "" ? "" : sprintf("%.2f", ratio), bar_text(row),
           verdict(row, ours, ratio), their_cpu == "" ? "" : shown(their_cpu) " µs",
           our_cpu == "" ? "" : shown(our_cpu) " µs", share == "" ? "" : sprintf("%.0f %%", share * 100)
  }
  print ""
}

function json_number(value) { return value == "" ? "null" : sprintf("%.10g", value) }

function json(    i, row, gap) {
  gsub(/["\\]/, " ", machine)
  printf "{\"machine\":\"%s\",\"rounds\":%d,\"seconds\":%s,\"rows\":[", machine, rounds, seconds
  for (i = 1; i <= row_count; ++i) {
    row = order[i]
    summarize(row)
    if (ours == "" && theirs == "") continue
    met = verdict(row, ours, ratio)
    printf "%s{\"row\":\"%s\",\"title\":\"%s\",\"figure\":\"%s\",\"unit\":\"%s\",\"etcd\":%s,\"cairn\":%s,\"ratio\":%s,\"bar\":\"%s\",\"met\":%s,\"etcd_cpu_us_per_op\":%s,\"cairn_cpu_us_per_op\":%s,\"share_of_echo\":%s}",
           gap, row, title[row], figure[row], unit[row], json_number(theirs), json_number(ours),
           json_number(ratio), bar_text(row), met == "" ? "null" : (met == "yes" ? "true" : "false"),
           json_number(their_cpu), json_number(our_cpu), json_number(share)
    gap = ","
  }
  printf "],\"runs\":["
  for (i = 1; i <= run_count; ++i) printf "%s%s", i == 1 ? "" : ",", runs[i]
  print "]}"
}

END { if (form == "json") json(); else markdown() }
