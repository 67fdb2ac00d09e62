// CommandMaker: commands of memcached by chance, of all kinds, over few keys, so that they meet.
//
// Threads: none. The same seed makes the same commands.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/random.h"

namespace cairn::adapter::memcache {

class CommandMaker {
 public:
  // Where a command stands for a CAS token, to be put in for each side.
  static constexpr char kToken = '\x01';

  // `soft`: with the flags that deal out the right to renew an item. They come without gets, gats
  // and me: to such an item the agent gives another CAS than memcached when it asks for it, and
  // only by these could a client see that.
  CommandMaker(uint64_t seed, bool soft) : random_(seed), soft_(soft) {}

  std::string Next();

  // The keys that are used, as `mg` takes them.
  static const std::vector<std::string>& Keys();

 private:
  std::string Classic();
  std::string Meta();
  std::string ClassicStore(std::string_view verb);
  std::string MetaGet();
  std::string MetaSet();
  std::string MetaDelete();
  std::string MetaArithmetic();

  std::string Pick(const std::vector<std::string>& choices);
  bool Chance(double probability) { return random_.Chance(probability); }
  std::string Key() { return Pick({"a", "b", "n", "m"}); }
  // Of a command that takes any number: none of them to some, each with a blank before it.
  std::string ManyKeys();
  std::string MetaKey() { return Pick(Keys()); }
  std::string Exptime() {
    return Pick({"0", "0", "100", "5000", "-1", "1000000000", "2000000000"});
  }
  std::string Value();
  std::string Noreply() { return Chance(0.1) ? " noreply\r\n" : "\r\n"; }
  // Each of `flags` at times, in any order.
  std::string Flags(std::vector<std::string> flags);

  Random random_;
  const bool soft_;
};

}  // namespace cairn::adapter::memcache
