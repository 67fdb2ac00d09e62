// View: one struct per output, from which both the text and the JSON are made.
//
// A view is a plain struct with a visitor that names its fields in order:
//
//   struct LeaseView {
//     std::string name;
//     Epoch epoch;
//     template <class F> void Fields(F&& field) const {
//       field("name", name);
//       field("epoch", epoch);
//     }
//   };
//
// JSON: an object with these names (docs/cli.md lists them; they are an interface).
// Text: scalars as aligned `name  value` lines, each list of views as a table below.
//
// Field types: strings, bool, numbers, ids, ByteCount, LogTime, Hash, DurationMs, optionals of
// those (unset: null in JSON, "-" in text), vectors of strings or ids, vectors of views.
// Hashes are hex text in JSON too, since JSON readers keep only 53 bits of a number.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "cli/table.h"
#include "cli/units.h"

namespace cairn::cli {

using Json = nlohmann::ordered_json;

// Numbers that people want to read with their unit.
struct ByteCount {
  uint64_t value = 0;
};
struct DurationMs {
  uint64_t value = 0;
};
struct LogTime {
  int64_t us = 0;  // 0: never; shown as "-".
};
struct Hash {
  uint64_t value = 0;
};

namespace view_internal {

struct AnyField {
  template <class T>
  void operator()(const char*, const T&) const {}
};

template <class T, class = void>
struct IsView : std::false_type {};
template <class T>
struct IsView<T, std::void_t<decltype(std::declval<const T&>().Fields(AnyField{}))>>
    : std::true_type {};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct ListOf {
  using Item = void;
};
template <class T>
struct ListOf<std::vector<T>> {
  using Item = T;
};
template <class T>
inline constexpr bool kIsList = !std::is_void_v<typename ListOf<T>::Item>;
template <class T>
inline constexpr bool kIsViewList = IsView<typename ListOf<T>::Item>::value;

template <class T>
struct IsOrdinal : std::false_type {};
template <class Tag>
struct IsOrdinal<Ordinal<Tag>> : std::true_type {};

template <class T>
inline constexpr bool kIsNumber =
    (std::is_arithmetic_v<T> && !std::is_same_v<T, bool>) || IsOrdinal<T>::value
    || std::is_same_v<T, ByteCount>;

inline std::string ScalarText(const std::string& value) { return value.empty() ? "-" : value; }
inline std::string ScalarText(bool value) { return value ? "yes" : "no"; }
inline std::string ScalarText(double value) { return fmt::format("{:.1f}", value); }
inline std::string ScalarText(ByteCount value) { return FormatByteCount(value.value); }
inline std::string ScalarText(DurationMs value) { return FormatDurationMs(value.value); }
inline std::string ScalarText(LogTime value) {
  return value.us == 0 ? "-" : FormatTimestampUs(value.us);
}
inline std::string ScalarText(Hash value) { return FormatHash(value.value); }
template <class Tag>
std::string ScalarText(Ordinal<Tag> value) {
  return ToString(value);
}
template <class T>
std::enable_if_t<std::is_integral_v<T> && !std::is_same_v<T, bool>, std::string> ScalarText(
    T value) {
  return std::to_string(value);
}

// Text of one field; lists of scalars are joined with commas.
template <class T>
std::string FieldText(const T& value) {
  if constexpr (IsOptional<T>::value) {
    return value ? ScalarText(*value) : "-";
  } else if constexpr (kIsList<T>) {
    std::string text;
    for (const auto& item : value) text += (text.empty() ? "" : ",") + ScalarText(item);
    return text.empty() ? "-" : text;
  } else {
    return ScalarText(value);
  }
}

// The name of a field in text: where the value is shown with its own unit, the name carries none.
template <class T>
std::string ShownName(std::string name) {
  constexpr bool kShowsUnit = std::is_same_v<T, DurationMs> || std::is_same_v<T, LogTime>;
  if (kShowsUnit) name.resize(name.rfind('_'));
  return name;
}

}  // namespace view_internal

template <class T>
Json ToJson(const T& value) {
  using namespace view_internal;
  if constexpr (IsView<T>::value) {
    Json object = Json::object();
    value.Fields([&](const char* name, const auto& field) { object[name] = ToJson(field); });
    return object;
  } else if constexpr (IsOptional<T>::value) {
    return value ? ToJson(*value) : Json();
  } else if constexpr (kIsList<T>) {
    Json list = Json::array();
    for (const auto& item : value) list.push_back(ToJson(item));
    return list;
  } else if constexpr (IsOrdinal<T>::value) {
    return value.value();
  } else if constexpr (std::is_same_v<T, ByteCount> || std::is_same_v<T, DurationMs>) {
    return value.value;
  } else if constexpr (std::is_same_v<T, LogTime>) {
    return value.us;
  } else if constexpr (std::is_same_v<T, Hash>) {
    return FormatHash(value.value);
  } else {
    return value;
  }
}

// A table with one row per view; its titles are the fields' shown names, "_" as a space.
template <class Row>
std::string ToTableText(const std::vector<Row>& rows, bool bold_titles) {
  using namespace view_internal;
  std::vector<Column> columns;
  Row().Fields([&](const char* name, const auto& field) {
    std::string title = ShownName<std::decay_t<decltype(field)>>(name);
    for (char& c : title) c = c == '_' ? ' ' : static_cast<char>(std::toupper(c));
    constexpr bool kNumber = kIsNumber<std::decay_t<decltype(field)>>;
    columns.push_back({title, kNumber ? Align::kRight : Align::kLeft});
  });
  Table table(std::move(columns));
  for (const Row& row : rows) {
    std::vector<std::string> cells;
    row.Fields([&](const char*, const auto& field) { cells.push_back(FieldText(field)); });
    table.AddRow(std::move(cells));
  }
  return table.ToText(bold_titles);
}

// Scalars first, as aligned lines, then a titled table for each non-empty list of views. A view
// that has nothing but one list is shown as that table alone.
template <class View>
std::string ToText(const View& view, bool bold_titles) {
  using namespace view_internal;
  size_t name_width = 0;
  view.Fields([&](const char* name, const auto& field) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (!kIsViewList<Field>) {
      name_width = std::max(name_width, ShownName<Field>(name).size());
    }
  });
  std::string text;
  view.Fields([&](const char* name, const auto& field) {
    using Field = std::decay_t<decltype(field)>;
    if constexpr (!kIsViewList<Field>) {
      text += fmt::format("{:<{}}  {}\n", ShownName<Field>(name), name_width, FieldText(field));
    }
  });
  view.Fields([&](const char* name, const auto& field) {
    if constexpr (kIsViewList<std::decay_t<decltype(field)>>) {
      if (name_width > 0 && field.empty()) return;
      if (name_width > 0) text += fmt::format("\n{}:\n", name);
      text += ToTableText(field, bold_titles);
    }
  });
  return text;
}

}  // namespace cairn::cli
