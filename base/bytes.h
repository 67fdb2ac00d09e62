// Immutable, reference-counted bytes: the payload of an entry.
//
// An entry's payload is made once, on the leader by the batch builder or on a
// follower by the peer stream's parser, and is then shared by the store batch,
// the tail ring and outgoing messages without a copy. Safe to share between
// threads, since nobody can change it.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace cairn {

class Bytes {
 public:
  Bytes() = default;
  explicit Bytes(std::string bytes)
      : bytes_(std::make_shared<const std::string>(std::move(bytes))) {}

  [[nodiscard]] std::string_view view() const {
    return bytes_ ? std::string_view(*bytes_) : std::string_view();
  }
  [[nodiscard]] size_t size() const { return bytes_ ? bytes_->size() : 0; }
  [[nodiscard]] bool empty() const { return size() == 0; }
  // The owner, for a zero-copy hand-over to a transport; null when empty.
  [[nodiscard]] const std::shared_ptr<const std::string>& owner() const { return bytes_; }

  friend bool operator==(const Bytes& a, const Bytes& b) { return a.view() == b.view(); }

 private:
  std::shared_ptr<const std::string> bytes_;
};

}  // namespace cairn
