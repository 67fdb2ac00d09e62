#include "tests/adapter/memcache/command_maker.h"

#include <fmt/format.h>

#include <utility>

namespace cairn::adapter::memcache {
namespace {

const std::string kTokenText(1, CommandMaker::kToken);

}  // namespace

const std::vector<std::string>& CommandMaker::Keys() {
  // The last one has a zero byte and a blank in it.
  static const std::vector<std::string> kKeys = {"a", "b", "n", "m", "gAAgCg== b"};
  return kKeys;
}

std::string CommandMaker::Next() {
  if (Chance(0.005)) return "flush_all" + Noreply();
  return Chance(0.45) ? Classic() : Meta();
}

std::string CommandMaker::Pick(const std::vector<std::string>& choices) {
  return choices[random_.Below(choices.size())];
}

std::string CommandMaker::ManyKeys() {
  std::string keys;
  for (uint64_t left = random_.Below(5); left > 0; --left) {
    keys += " " + Pick({"a", "b", "n", "m", "nokey"});
  }
  return keys;
}

std::string CommandMaker::Value() {
  if (Chance(0.5)) return std::to_string(random_.Below(Chance(0.5) ? 12 : 1'200));
  return Pick({"", "x", "yz", "7 ", " 8", "18446744073709551615", "99", "a\r\nb", "12cd",
               std::string(300, 'v')});
}

std::string CommandMaker::ClassicStore(std::string_view verb) {
  const std::string value = Value();
  std::string line = fmt::format("{} {} {} {} {}", verb, Key(), Pick({"0", "0", "5", "4294967295"}),
                                 Exptime(), value.size());
  if (verb == "cas") line += " " + Pick({kTokenText, kTokenText, "0", "99999999999999"});
  return line + Noreply() + value + "\r\n";
}

std::string CommandMaker::Classic() {
  switch (random_.Below(soft_ ? 8 : 10)) {
    case 0:
      return "get" + ManyKeys() + "\r\n";
    case 1:
      return fmt::format("delete {}", Key()) + Noreply();
    case 2:
      return fmt::format("touch {} {}", Key(), Exptime()) + Noreply();
    case 3:
      return "gat " + Exptime() + ManyKeys() + "\r\n";
    case 4:
    case 5:
      return fmt::format("{} {} {}", Pick({"incr", "decr"}), Key(),
                         Pick({"1", "1", "9", "90", "18446744073709551615"})) +
             Noreply();
    case 6:
    case 7:
      return ClassicStore(
          Pick({"set", "set", "add", "replace", "append", "prepend", "cas", "cas"}));
    case 8:
      return "gats " + Exptime() + ManyKeys() + "\r\n";
    default:
      return "gets" + ManyKeys() + "\r\n";
  }
}

std::string CommandMaker::Meta() {
  switch (random_.Below(5)) {
    case 0:
      return MetaDelete();
    case 1:
      return MetaArithmetic();
    case 2:
      return MetaGet();
    default:
      return MetaSet();
  }
}

std::string CommandMaker::Flags(std::vector<std::string> flags) {
  std::string text;
  while (!flags.empty()) {
    const size_t at = random_.Below(flags.size());
    if (Chance(0.3)) text += " " + flags[at];
    flags.erase(flags.begin() + static_cast<std::ptrdiff_t>(at));
  }
  return text + "\r\n";
}

std::string CommandMaker::MetaGet() {
  // Without h and l: a number that is stored anew counts as not fetched yet.
  std::vector<std::string> flags = {"v", "t", "f", "s", "c", "k", "q", "O77", "u"};
  if (Chance(0.2)) flags.push_back("T" + Exptime());
  if (soft_) flags.insert(flags.end(), {"N" + Pick({"0", "60"}), "R" + Pick({"30", "3000"})});
  const std::string key = MetaKey();
  // See below.
  if (key.ends_with(" b")) std::erase(flags, "k");
  return fmt::format("mg {}", key) + Flags(std::move(flags));
}

std::string CommandMaker::MetaSet() {
  const std::string value = Value();
  const std::string mode = Pick({"S", "E", "A", "P", "R"});
  std::vector<std::string> flags = {"T" + Exptime(), "F7", "k", "O78", "c", "q", "M" + mode};
  flags.push_back("C" + Pick({kTokenText, kTokenText, "0", "18446744073709551615"}));
  if (soft_) flags.push_back("I");
  std::string key = MetaKey();
  std::string binary;
  if (key.ends_with(" b")) {
    key.resize(key.size() - 2);
    binary = " b";
  }
  return fmt::format("ms {} {}{}", key, value.size(), binary) + Flags(std::move(flags)) + value +
         "\r\n";
}

std::string CommandMaker::MetaDelete() {
  std::vector<std::string> flags = {"k", "q", "O79"};
  if (Chance(0.3)) flags.push_back("C" + Pick({kTokenText, "0"}));
  if (soft_) flags.insert(flags.end(), {"I", "T" + Exptime()});
  return fmt::format("md {}", MetaKey()) + Flags(std::move(flags));
}

std::string CommandMaker::MetaArithmetic() {
  std::vector<std::string> flags = {"v", "t", "k", "q", "O80", "N" + Exptime(), "J11", "D9"};
  flags.push_back("M" + Pick({"I", "D", "+", "-"}));
  flags.push_back("c");
  if (Chance(0.3)) flags.push_back("T" + Exptime());
  if (Chance(0.3)) flags.push_back("C" + Pick({kTokenText, "0"}));
  // A number under a base64 key is stored anew by the agent. What was invalidated is fresh then,
  // and memcached does not know any more that the key is binary.
  return fmt::format("ma {}", soft_ ? Key() : MetaKey()) + Flags(std::move(flags));
}

}  // namespace cairn::adapter::memcache
