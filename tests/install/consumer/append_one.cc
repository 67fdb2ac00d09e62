// What a program of somebody else needs: two headers, one target. Prints the seq of its record.
#include <iostream>

#include "cairn/client.h"
#include "cairn/log.h"

int main() {
  const auto client = cairn::Client::Connect(cairn::Client::OptionsFromEnvironment());
  if (!client.ok()) return 1;
  auto log = (*client)->OpenLog("installed", {.create_if_missing = true});
  if (!log.ok()) return 2;
  const auto done = log->Append("hello");
  if (!done.ok()) return 3;
  std::cout << done->last_seq.value() << "\n";
}
