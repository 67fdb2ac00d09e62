#include "adapter/memcache/command_line.h"

#include <limits>

namespace cairn::adapter::memcache {
namespace {

// memcached takes a line apart in portions of so many words. Only "get" reads on behind them.
constexpr size_t kMaxWords = 23;

constexpr std::string_view kError = "ERROR";
constexpr std::string_view kBadFormat = "CLIENT_ERROR bad command line format";
constexpr std::string_view kBadExptime = "CLIENT_ERROR invalid exptime argument";

// The error, unless the client said noreply.
void RejectClassic(std::string_view text, CommandLine* command) {
  command->rejection.emplace();
  if (!command->request.noreply) Reject(text, command);
}

// Only the last word counts, whatever stands in that place otherwise.
bool EndsWithNoreply(const Words& words) { return words.back() == "noreply"; }

bool TakeKey(std::string_view word, CommandLine* command) {
  if (word.size() > kMaxKeyBytes) {
    RejectClassic(kBadFormat, command);
    return false;
  }
  command->request.keys.push_back(word);
  return true;
}

void ReadGet(const Words& words, std::string_view line, CommandLine* command) {
  Request& request = command->request;
  const bool touches = request.verb == Verb::kGat || request.verb == Verb::kGats;
  if (words.size() < 2) return RejectClassic(kError, command);
  if (touches) {
    const std::optional<int32_t> exptime = ReadSigned32(words[1]);
    if (!exptime) return RejectClassic(kBadExptime, command);
    request.exptime = *exptime;
    // memcached wants no key here, and finds none. An operation without keys is none.
    if (words.size() == 2) return Reject("END", command);
  }
  const Words all = SplitWords(line, line.size());
  for (size_t i = touches ? 2 : 1; i < all.size(); ++i) {
    if (!TakeKey(all[i], command)) return;
  }
}

// VERB KEY FLAGS EXPTIME BYTES [CAS] [noreply]
void ReadStore(StoreMode mode, const Words& words, const ItemSizeRule& item_size,
               CommandLine* command) {
  Request& request = command->request;
  const size_t least = mode == StoreMode::kCas ? 6 : 5;
  if (words.size() != least && words.size() != least + 1) return RejectClassic(kError, command);
  request.noreply = EndsWithNoreply(words);
  request.mode = mode;
  if (!TakeKey(words[1], command)) return;
  const std::optional<uint32_t> flags = ReadUnsigned32(words[2]);
  const std::optional<int32_t> exptime = ReadSigned32(words[3]);
  const std::optional<int32_t> bytes = ReadSigned32(words[4]);
  const std::optional<uint64_t> cas = mode == StoreMode::kCas ? ReadUnsigned64(words[5]) : 0;
  if (!flags || !exptime || !bytes || !cas) return RejectClassic(kBadFormat, command);
  if (*bytes < 0 || *bytes > std::numeric_limits<int32_t>::max() - 2) {
    return RejectClassic(kBadFormat, command);
  }
  request.client_flags = *flags;
  request.exptime = *exptime;
  request.cas_token = *cas;
  const uint64_t with_line_end = static_cast<uint64_t>(*bytes) + 2;
  if (item_size.Fits(words[1].size(), *flags, static_cast<size_t>(*bytes))) {
    command->value_bytes = with_line_end;
    return;
  }
  command->skip_bytes = with_line_end;
  // Whoever sets a key does not want its old item; the others keep it.
  request.too_large = true;
  if (mode != StoreMode::kSet) {
    RejectClassic("SERVER_ERROR object too large for cache", command);
  }
}

void ReadArithmetic(const Words& words, CommandLine* command) {
  if (words.size() != 3 && words.size() != 4) return RejectClassic(kError, command);
  command->request.noreply = EndsWithNoreply(words);
  if (!TakeKey(words[1], command)) return;
  const std::optional<uint64_t> delta = ReadUnsigned64(words[2]);
  if (!delta) return RejectClassic("CLIENT_ERROR invalid numeric delta argument", command);
  command->request.delta = *delta;
}

void ReadTouch(const Words& words, CommandLine* command) {
  if (words.size() != 3 && words.size() != 4) return RejectClassic(kError, command);
  command->request.noreply = EndsWithNoreply(words);
  if (!TakeKey(words[1], command)) return;
  const std::optional<int32_t> exptime = ReadSigned32(words[2]);
  if (!exptime) return RejectClassic(kBadExptime, command);
  command->request.exptime = *exptime;
}

// delete KEY [0] [noreply]: the 0 was a time once.
void ReadDelete(const Words& words, CommandLine* command) {
  if (words.size() < 2 || words.size() > 4) return RejectClassic(kError, command);
  if (words.size() > 2) {
    const bool zero = words[2] == "0";
    const bool noreply = command->request.noreply = EndsWithNoreply(words);
    const bool valid = words.size() == 3 ? zero || noreply : zero && noreply;
    if (!valid) {
      return RejectClassic("CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]",
                           command);
    }
  }
  TakeKey(words[1], command);
}

// flush_all [EXPTIME] [noreply]
void ReadFlushAll(const Words& words, CommandLine* command) {
  Request& request = command->request;
  if (words.size() > 3) return RejectClassic(kError, command);
  request.noreply = EndsWithNoreply(words);
  if (words.size() == (request.noreply ? 2 : 1)) return;
  const std::optional<int32_t> exptime = ReadSigned32(words[1]);
  if (!exptime) return RejectClassic(kBadExptime, command);
  request.exptime = *exptime;
  request.delayed = true;
}

void ReadVerbosity(const Words& words, CommandLine* command) {
  if (words.size() != 2 && words.size() != 3) return RejectClassic(kError, command);
  command->request.noreply = EndsWithNoreply(words);
  if (!ReadUnsigned32(words[1])) RejectClassic(kBadFormat, command);
}

void ReadConfig(const Words& words, CommandLine* command) {
  if (words.size() != 3 || words[1] != "get") return RejectClassic(kError, command);
  TakeKey(words[2], command);
}

struct VerbName {
  std::string_view name;
  Verb verb;
};
constexpr VerbName kVerbs[] = {
    {"get", Verb::kGet},
    {"gets", Verb::kGets},
    {"set", Verb::kSet},
    {"mg", Verb::kMetaGet},
    {"ms", Verb::kMetaSet},
    {"md", Verb::kMetaDelete},
    {"ma", Verb::kMetaArithmetic},
    {"mn", Verb::kMetaNoop},
    {"me", Verb::kMetaDebug},
    {"add", Verb::kAdd},
    {"replace", Verb::kReplace},
    {"append", Verb::kAppend},
    {"prepend", Verb::kPrepend},
    {"cas", Verb::kCas},
    {"incr", Verb::kIncr},
    {"decr", Verb::kDecr},
    {"delete", Verb::kDelete},
    {"touch", Verb::kTouch},
    {"gat", Verb::kGat},
    {"gats", Verb::kGats},
    {"flush_all", Verb::kFlushAll},
    {"version", Verb::kVersion},
    {"stats", Verb::kStats},
    {"verbosity", Verb::kVerbosity},
    {"quit", Verb::kQuit},
    {"config", Verb::kConfigGet},
    {"bget", Verb::kGet},  // From the time before the binary protocol; memcached still knows it.
};

const VerbName* FindVerb(std::string_view name) {
  for (const VerbName& row : kVerbs) {
    if (row.name == name) return &row;
  }
  return nullptr;
}

// Whether memcached would look for "HTTP/1.1" at the end of such a line: not where the first letter
// leads to verbs of its own.
bool CouldBeHttp(std::string_view verb) {
  constexpr std::string_view kLetters = "gsacidt";
  return kLetters.find(verb[0]) == std::string_view::npos && !(verb.size() == 2 && verb[0] == 'm');
}

void RejectUnknown(const Words& words, CommandLine* command) {
  if (const std::optional<std::string_view> refusal = AdministrationRefusal(words)) {
    command->request.noreply = EndsWithNoreply(words);
    return RejectClassic(*refusal, command);
  }
  Reject(kError, command);
  if (CouldBeHttp(words[0]) && words.back().starts_with("HTTP/")) {
    command->rejection.emplace();
    command->close = true;
  }
}

void ReadClassicCommand(const Words& words, std::string_view line, const ItemSizeRule& item_size,
                        CommandLine* command) {
  switch (command->request.verb) {
    case Verb::kGet:
    case Verb::kGets:
    case Verb::kGat:
    case Verb::kGats:
      return ReadGet(words, line, command);
    case Verb::kSet:
      return ReadStore(StoreMode::kSet, words, item_size, command);
    case Verb::kAdd:
      return ReadStore(StoreMode::kAdd, words, item_size, command);
    case Verb::kReplace:
      return ReadStore(StoreMode::kReplace, words, item_size, command);
    case Verb::kAppend:
      return ReadStore(StoreMode::kAppend, words, item_size, command);
    case Verb::kPrepend:
      return ReadStore(StoreMode::kPrepend, words, item_size, command);
    case Verb::kCas:
      return ReadStore(StoreMode::kCas, words, item_size, command);
    case Verb::kIncr:
    case Verb::kDecr:
      return ReadArithmetic(words, command);
    case Verb::kDelete:
      return ReadDelete(words, command);
    case Verb::kTouch:
      return ReadTouch(words, command);
    case Verb::kFlushAll:
      return ReadFlushAll(words, command);
    case Verb::kVerbosity:
      return ReadVerbosity(words, command);
    case Verb::kConfigGet:
      return ReadConfig(words, command);
    default:  // version, stats, quit, mn: whatever stands behind them.
      return;
  }
}

}  // namespace

CommandLine ReadCommandLine(std::string_view line, const ItemSizeRule& item_size) {
  CommandLine command;
  line = line.substr(0, line.find('\0'));
  command.request.line = line;
  const Words words = SplitWords(line, kMaxWords);
  if (words.empty() || words[0].size() < 2) {
    Reject(kError, &command);
    return command;
  }
  const VerbName* const row = FindVerb(words[0]);
  if (row == nullptr) {
    RejectUnknown(words, &command);
    return command;
  }
  command.request.verb = row->verb;
  if (command.request.meta_command() && row->verb != Verb::kMetaNoop) {
    ReadMetaCommand(words, item_size, &command);
  } else {
    ReadClassicCommand(words, line, item_size, &command);
  }
  return command;
}

}  // namespace cairn::adapter::memcache
