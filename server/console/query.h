// Query: the parameters of one request, checked. The first that is wrong is kept as a sentence for
// whoever sent it; after that, values are the defaults and nothing is to be done with them.
//
//   Query query(request);
//   const uint64_t limit = query.Number("limit", 50, 1, 200);
//   if (auto wrong = query.Wrong()) return Refuse(*wrong);
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "base/http_server.h"

namespace cairn::console {

class Query {
 public:
  // `request` outlives it.
  explicit Query(const HttpRequest& request) : request_(request) {}

  // A decimal number in [min, max]; `otherwise` when it is not given.
  uint64_t Number(const std::string& name, uint64_t otherwise, uint64_t min, uint64_t max);
  // At most 255 bytes; "" when it is not given.
  std::string Text(const std::string& name);
  // As Text, and must be given.
  std::string Required(const std::string& name);

  // What is wrong, after all parameters were asked for: one that nobody asked for is, too.
  [[nodiscard]] std::optional<std::string> Wrong() const;

 private:
  const std::string* Find(const std::string& name);
  void Note(std::string wrong);

  const HttpRequest& request_;
  std::set<std::string> known_;
  std::optional<std::string> wrong_;
};

}  // namespace cairn::console
