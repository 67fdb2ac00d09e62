// Distinct types for the numbers that Cairn counts with.
//
// A sequence number is not a Raft index and neither is a term: mixing them up
// does not compile. Each type is a wrapped uint64_t that can be compared,
// advanced by a plain count, and subtracted to a plain count. Zero always means
// "none" or "before the first".
//
// Ranges: names `first`/`last` are inclusive at both ends; `begin`/`end` are
// half-open. `after`/`through` is the range (after, through].
#pragma once

#include <fmt/format.h>

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>

namespace cairn {

template <class Tag>
class Ordinal {
 public:
  constexpr Ordinal() = default;
  constexpr explicit Ordinal(uint64_t value) : value_(value) {}

  [[nodiscard]] constexpr uint64_t value() const { return value_; }
  constexpr auto operator<=>(const Ordinal&) const = default;

  constexpr Ordinal operator+(uint64_t n) const { return Ordinal(value_ + n); }
  constexpr Ordinal operator-(uint64_t n) const { return Ordinal(value_ - n); }
  constexpr uint64_t operator-(Ordinal other) const { return value_ - other.value_; }
  constexpr Ordinal& operator++() {
    ++value_;
    return *this;
  }
  constexpr Ordinal& operator+=(uint64_t n) {
    value_ += n;
    return *this;
  }
  // The one before, or zero when there is none.
  [[nodiscard]] constexpr Ordinal Previous() const { return Ordinal(value_ == 0 ? 0 : value_ - 1); }
  constexpr explicit operator bool() const { return value_ != 0; }

  template <typename H>
  friend H AbslHashValue(H h, Ordinal o) {
    return H::combine(std::move(h), o.value_);
  }
  friend std::ostream& operator<<(std::ostream& os, Ordinal o) { return os << o.value_; }

 private:
  uint64_t value_ = 0;
};

// A record's place in its log: 1, 2, 3, … without holes.
using Seq = Ordinal<struct SeqTag>;
// An entry's place in its Raft log; internal, never shown to a client.
using Index = Ordinal<struct IndexTag>;
// A Raft term.
using Term = Ordinal<struct TermTag>;
// A lease's fencing token: the seq of the record that granted it.
using Epoch = Ordinal<struct EpochTag>;
// A member of the cluster; assigned once, never reused.
using NodeId = Ordinal<struct NodeIdTag>;
// A Raft group, which is also the log id: the catalog's seq of the log's
// creation. 0 is the catalog itself.
using GroupId = Ordinal<struct GroupIdTag>;

inline constexpr GroupId kCatalogGroup{0};

template <class Tag>
std::string ToString(Ordinal<Tag> o) {
  return std::to_string(o.value());
}

}  // namespace cairn

// "{}" prints the number.
template <class Tag>
struct fmt::formatter<cairn::Ordinal<Tag>> : fmt::formatter<uint64_t> {
  template <class Context>
  auto format(cairn::Ordinal<Tag> o, Context& context) const {
    return fmt::formatter<uint64_t>::format(o.value(), context);
  }
};
