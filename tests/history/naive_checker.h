// NaiveLinearizable: the checker's question answered by trying everything, for tiny histories.
//
// Shares no code with the checker: a log is a list of texts, the committed log is compared when
// all is ordered, and every order that time allows is tried, with every subset of what was not
// answered and an expiry wherever a lease is held. Knows less: a history must begin with a new
// log, and a committed log must begin at 1.
#pragma once

#include "tests/history/history_types.h"

namespace cairn::history {

// Requires: at most 10 operations or so, or it takes for ever.
bool NaiveLinearizable(const History& history);

}  // namespace cairn::history
