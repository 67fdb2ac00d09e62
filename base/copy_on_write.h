// CopyOnWrite: a value that others may keep as it is now, at no cost until it changes.
//
// The first change after it was shared is made to a copy; changes that follow one another with
// nobody looking in between copy nothing. What copies of the holder share is shared, too.
//
// Threads: one that changes it. What Share() gave may be read by any, and is never changed.
#pragma once

#include <memory>

namespace cairn {

template <class T>
class CopyOnWrite {
 public:
  CopyOnWrite() = default;
  CopyOnWrite(const CopyOnWrite& other)
      : value_(std::const_pointer_cast<T>(other.Share())), shared_(true) {}
  CopyOnWrite& operator=(const CopyOnWrite& other) {
    value_ = std::const_pointer_cast<T>(other.Share());
    shared_ = true;
    return *this;
  }

  const T* operator->() const { return value_.get(); }
  // Never null.
  [[nodiscard]] std::shared_ptr<const T> Share() const {
    if (!shared_) shared_ = true;  // A copy's is set already: many may share that one.
    return value_;
  }
  T& Mutable() {
    if (shared_) value_ = std::make_shared<T>(*value_);
    shared_ = false;
    return *value_;
  }

 private:
  std::shared_ptr<T> value_ = std::make_shared<T>();
  mutable bool shared_ = false;
};

}  // namespace cairn
