// CHECK: an invariant whose breach is a bug. Prints file, line, expression and
// values to stderr, then aborts. On in release builds; DCHECK only in debug.
//
// What the world can do to us (bytes from outside, a full disk, a lost peer) is
// an absl::Status, never a CHECK.
#pragma once

#include <sstream>
#include <string>

namespace cairn::internal {

[[noreturn]] void CheckFailed(const char* file, int line, const std::string& what);

template <class A, class B>
std::string DescribePair(const char* expression, const A& a, const B& b) {
  std::ostringstream out;
  out << expression << " (" << a << " vs. " << b << ")";
  return out.str();
}

}  // namespace cairn::internal

#define CHECK(condition)                             \
  (__builtin_expect(static_cast<bool>(condition), 1) \
       ? static_cast<void>(0)                        \
       : ::cairn::internal::CheckFailed(__FILE__, __LINE__, #condition))

#define CAIRN_CHECK_OP(a, op, b)                                                             \
  do {                                                                                       \
    const auto& cairn_check_a = (a);                                                         \
    const auto& cairn_check_b = (b);                                                         \
    if (__builtin_expect(!(cairn_check_a op cairn_check_b), 0))                              \
      ::cairn::internal::CheckFailed(                                                        \
          __FILE__, __LINE__,                                                                \
          ::cairn::internal::DescribePair(#a " " #op " " #b, cairn_check_a, cairn_check_b)); \
  } while (false)

#define CHECK_EQ(a, b) CAIRN_CHECK_OP(a, ==, b)
#define CHECK_NE(a, b) CAIRN_CHECK_OP(a, !=, b)
#define CHECK_LT(a, b) CAIRN_CHECK_OP(a, <, b)
#define CHECK_LE(a, b) CAIRN_CHECK_OP(a, <=, b)
#define CHECK_GT(a, b) CAIRN_CHECK_OP(a, >, b)
#define CHECK_GE(a, b) CAIRN_CHECK_OP(a, >=, b)
#define CHECK_UNREACHABLE() ::cairn::internal::CheckFailed(__FILE__, __LINE__, "unreachable")

#ifdef NDEBUG
#define DCHECK(condition) static_cast<void>(sizeof(static_cast<bool>(condition)))
#else
#define DCHECK(condition) CHECK(condition)
#endif
