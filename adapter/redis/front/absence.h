// Absence: which replies to a read may say that a key is not there.
//
// A key that has expired is deleted by the engine when somebody reads it, and that deletion is an
// effect like others: a reply that rests on it may leave when it is committed. No mark tells of it,
// since nobody wrote. So what a reply looks like has to tell: null, 0, nothing at all. It errs to
// the safe side: a reply that looks so for another reason waits for an offset that it need not wait
// for.
//
// Threads: none; pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cairn::adapter::redis {

// How the reply to a read of keys shows that one of them is absent.
enum class AbsenceSign : uint8_t {
  kNone,     // Not to be looked for.
  kEmpty,    // There is nothing in it: null, an integer that is not positive, an empty string or
             // list, or a list of such.
  kAnyNull,  // An element is null.
  kFewer,    // The integer is less than the number of keys.
  kHidden,   // It cannot be seen.
};

// Of a call of `command` (in lower case) with that many keys, at least one.
AbsenceSign SignOfAbsence(std::string_view command, size_t keys);

// Whether the sign is there. Of a reply's first bytes: whether it may still turn out to be.
bool ShowsAbsence(AbsenceSign sign, size_t keys, std::string_view reply);

}  // namespace cairn::adapter::redis
