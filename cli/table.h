// Table: rows of text laid out in columns for a terminal or a pipe.
//
// Columns are as wide as their widest cell; numbers stand to the right. The last
// column is not padded, so that lines carry no trailing spaces. Widths are counted
// in UTF-8 code points.
#pragma once

#include <string>
#include <vector>

namespace cairn::cli {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Requires: as many cells as there are columns.
  void AddRow(std::vector<std::string> cells);

  [[nodiscard]] size_t rows() const { return rows_.size(); }
  // Title line and rows, each ended by a newline. `bold_titles` for terminals.
  [[nodiscard]] std::string ToText(bool bold_titles) const;

 private:
  [[nodiscard]] std::vector<size_t> Widths() const;
  [[nodiscard]] std::string Line(const std::vector<std::string>& cells,
                                 const std::vector<size_t>& widths) const;

  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

// Code points in `text`, which is taken to be UTF-8.
size_t DisplayWidth(const std::string& text);

}  // namespace cairn::cli
