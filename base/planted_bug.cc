// Compiled with CAIRN_PLANTED_BUGS only: no other build holds a name or a story.
#include "base/planted_bug.h"

#include <cstdio>
#include <cstdlib>

namespace cairn {
namespace {

enum class Origin : uint8_t { kDesign, kField, kCode };

struct Row {
  PlantedBug bug;
  std::string_view name;
  Origin origin;
  std::string_view story;
  std::string_view finder;
};

constexpr Row kRows[] = {
#define CAIRN_PLANTED_BUGS_ROW(id, name, origin, story) \
  {PlantedBug::id, name, Origin::origin, story, "cairn-sim"},
    CAIRN_PLANTED_BUGS_LIST(CAIRN_PLANTED_BUGS_ROW)
#undef CAIRN_PLANTED_BUGS_ROW
#define CAIRN_PLANTED_BUGS_ROW(id, name, origin, story) \
  {PlantedBug::id, name, Origin::origin, story, "cairn-sim --members"},
        CAIRN_PLANTED_MEMBER_BUGS_LIST(CAIRN_PLANTED_BUGS_ROW)
#undef CAIRN_PLANTED_BUGS_ROW
#define CAIRN_PLANTED_BUGS_ROW(id, name, origin, story, finder) \
  {PlantedBug::id, name, Origin::origin, story, #finder},
            CAIRN_PLANTED_AGENT_BUGS_LIST(CAIRN_PLANTED_BUGS_ROW)
#undef CAIRN_PLANTED_BUGS_ROW
};

std::string_view ToString(Origin origin) {
  switch (origin) {
    case Origin::kDesign:
      return "design";
    case Origin::kField:
      return "field";
    case Origin::kCode:
      return "code";
  }
  return "";
}

}  // namespace

namespace internal {

PlantedBug PlantedBugOfEnvironment() {
  const char* const name = std::getenv("CAIRN_PLANT");
  if (name == nullptr) return PlantedBug::kNone;
  for (const Row& row : kRows) {
    if (row.name == name) return row.bug;
  }
  std::fprintf(stderr, "CAIRN_PLANT is '%s', expected a name of base/planted_bug.h\n", name);
  std::exit(2);
}

}  // namespace internal

bool SwitchOnPlantedBug(std::string_view name) {
  for (const Row& row : kRows) {
    if (row.name != name) continue;
    internal::planted_bug = row.bug;
    internal::planted_bug_hits = 0;
    return true;
  }
  return false;
}

std::string DescribePlantedBugs() {
  std::string out;
  for (const Row& row : kRows) {
    out += row.name;
    out += '\t';
    out += ToString(row.origin);
    out += '\t';
    out += row.story;
    out += '\t';
    out += row.finder;
    out += '\n';
  }
  return out;
}

}  // namespace cairn
