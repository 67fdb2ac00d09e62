// The tables of a database, judged one by one: every byte of them, without the database.
//
// RocksDB's checksums cover all blocks of a table and what stands behind each; the footer, 53 bytes
// at its end, has none. It tells where the index is and how blocks are checked, so its form is
// checked here, to the last bit of its padding.
#pragma once

#include <string>
#include <string_view>

namespace cairn::storage {

// What is wrong with the table in the file `path`; empty: nothing.
std::string DamageOfTable(const std::string& path);

// The same of the last bytes of a table.
std::string DamageOfFooter(std::string_view footer);
inline constexpr size_t kTableFooterBytes = 53;

}  // namespace cairn::storage
