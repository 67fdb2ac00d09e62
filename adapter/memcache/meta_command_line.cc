#include <bitset>
#include <limits>

#include "adapter/memcache/command_line.h"
#include "base/check.h"

namespace cairn::adapter::memcache {
namespace {

// With the verb.
constexpr size_t kMaxWords = 19;
constexpr size_t kMaxOpaqueBytes = 32;  // With the O before them.

constexpr std::string_view kError = "ERROR";
constexpr std::string_view kBadFormat = "CLIENT_ERROR bad command line format";
constexpr std::string_view kBadToken = "CLIENT_ERROR bad token in command line format";
constexpr std::string_view kOpaqueTooLong = "CLIENT_ERROR opaque token too long";

// The flags of one command. Goes on after most errors and tells the last of them, as memcached
// does.
class FlagReader {
 public:
  explicit FlagReader(Request* request) : request_(*request), meta_(request->meta) {}

  // False: error() is what the client is told by commands that tell at all.
  bool Read(const Words& words, size_t first_flag) {
    for (size_t i = first_flag; i < words.size(); ++i) {
      if (!ReadFlag(words[i])) return false;
    }
    return !failed_;
  }

  [[nodiscard]] std::string_view error() const { return error_; }
  [[nodiscard]] char mode() const { return mode_; }
  [[nodiscard]] bool opaque_too_long() const { return opaque_too_long_; }

 private:
  // False: nothing behind it is looked at.
  bool ReadFlag(std::string_view word) {
    const auto letter = static_cast<uint8_t>(word[0]);
    if (letter >= seen_.size() || seen_[letter]) return Stop("CLIENT_ERROR duplicate flag");
    seen_.set(letter);
    const std::string_view argument = word.substr(1);
    switch (word[0]) {
      case 'b':
        ReadKey();
        break;
      case 'T':
        Keep(ReadSigned32(argument), kBadToken, &meta_.ttl);
        break;
      case 'N':
        Keep(ReadSigned32(argument), kBadToken, &meta_.vivify_ttl);
        break;
      case 'R':
        Keep(ReadSigned32(argument), kBadToken, &meta_.recache_ttl);
        break;
      case 'C':
        Keep(ReadUnsigned64(argument), kBadToken, &meta_.cas);
        break;
      case 'F':  // A wrong number has no words of its own.
        Keep(ReadUnsigned32(argument), error_, &request_.client_flags);
        break;
      case 'J':
        Keep(ReadUnsigned64(argument), "CLIENT_ERROR invalid numeric initial value",
             &meta_.initial);
        break;
      case 'D':
        Keep(ReadUnsigned64(argument), "CLIENT_ERROR invalid numeric delta value", &meta_.delta);
        break;
      case 'M':
        if (argument.size() == 1) {
          mode_ = argument[0];
        } else {
          Fail("CLIENT_ERROR incorrect length for M token");
        }
        break;
      case 'O':
        opaque_too_long_ = word.size() > kMaxOpaqueBytes;
        break;
      case 'I':
        meta_.invalidate = true;
        break;
      case 'q':
        meta_.quiet = true;
        break;
      case 'v':
        meta_.returns_value = true;
        break;
      case 'P':
      case 'L':
      case 'k':
      case 's':
      case 't':
      case 'c':
      case 'f':
      case 'l':
      case 'h':
      case 'u':
        break;
      default:
        return Stop("CLIENT_ERROR invalid flag");
    }
    return true;
  }

  void ReadKey() {
    std::optional<std::string> key = DecodeKey(request_.keys.front());
    if (!key) return Fail("CLIENT_ERROR error decoding key");
    request_.binary = true;
    request_.decoded_key = *std::move(key);
  }

  template <class Value, class Field>
  void Keep(const std::optional<Value>& value, std::string_view error, Field* field) {
    if (!value) return Fail(error);
    *field = *value;
  }

  void Fail(std::string_view error) {
    failed_ = true;
    error_ = error;
  }
  bool Stop(std::string_view error) {
    Fail(error);
    return false;
  }

  Request& request_;
  MetaFlags& meta_;
  std::bitset<127> seen_;
  bool failed_ = false;
  std::string_view error_ = kBadFormat;
  char mode_ = 0;
  bool opaque_too_long_ = false;
};

// From words[first] to the end of the line.
std::string_view FlagText(const Words& words, size_t first) {
  if (words.size() <= first) return {};
  return {words[first].data(),
          static_cast<size_t>(words.back().data() + words.back().size() - words[first].data())};
}

// What all but `me` check first, in the order in which memcached does; false: rejected.
bool CheckWords(const Words& words, std::string_view too_many, CommandLine* command) {
  if (words.size() < 2) {
    Reject(kError, command);
  } else if (words[1].size() > kMaxKeyBytes) {
    Reject(kBadFormat, command);
  } else if (command->request.verb == Verb::kMetaSet && words.size() == 2) {
    Reject(kBadFormat, command);
  } else if (words.size() > kMaxWords) {
    Reject(too_many, command);
  } else {
    command->request.keys.push_back(words[1]);
    return true;
  }
  return false;
}

void ReadMetaGet(const Words& words, CommandLine* command) {
  if (!CheckWords(words, "CLIENT_ERROR options flags are too long", command)) return;
  FlagReader flags(&command->request);
  if (!flags.Read(words, 2)) return Reject(flags.error(), command);
  command->request.meta.text = FlagText(words, 2);
}

void ReadMetaDelete(const Words& words, CommandLine* command) {
  if (!CheckWords(words, "CLIENT_ERROR options flags too long", command)) return;
  FlagReader flags(&command->request);
  if (!flags.Read(words, 2)) {
    return Reject("CLIENT_ERROR invalid or duplicate flag", command);
  }
  if (flags.opaque_too_long()) return Reject(kOpaqueTooLong, command);
  command->request.meta.text = FlagText(words, 2);
}

void ReadMetaArithmetic(const Words& words, CommandLine* command) {
  if (!CheckWords(words, "CLIENT_ERROR options flags too long", command)) return;
  Request& request = command->request;
  FlagReader flags(&request);
  if (!flags.Read(words, 2)) {
    return Reject("CLIENT_ERROR invalid or duplicate flag", command);
  }
  constexpr std::string_view kModes = "I+D-";
  if (flags.mode() != 0 && kModes.find(flags.mode()) == std::string_view::npos) {
    return Reject("CLIENT_ERROR invalid mode for ma M token", command);
  }
  request.meta.decrement = flags.mode() == 'D' || flags.mode() == '-';
  request.meta.opaque_too_long = flags.opaque_too_long();
  request.meta.text = FlagText(words, 2);
}

// nullopt: no such mode.
std::optional<StoreMode> ModeOf(char letter) {
  switch (letter) {
    case 0:
    case 'S':
      return StoreMode::kSet;
    case 'E':
      return StoreMode::kAdd;
    case 'A':
      return StoreMode::kAppend;
    case 'P':
      return StoreMode::kPrepend;
    case 'R':
      return StoreMode::kReplace;
    default:
      return std::nullopt;
  }
}

// The flags of ms; what is told if they are wrong.
std::optional<std::string_view> ReadStoreFlags(const Words& words, Request* request) {
  FlagReader flags(request);
  if (!flags.Read(words, 3)) return flags.error();
  const std::optional<StoreMode> mode = ModeOf(flags.mode());
  if (!mode) return "CLIENT_ERROR invalid mode for ms M token";
  if (flags.opaque_too_long()) return kOpaqueTooLong;
  const bool replaces = *mode == StoreMode::kSet || *mode == StoreMode::kReplace;
  request->mode = request->meta.cas && replaces ? StoreMode::kCas : *mode;
  request->meta.text = FlagText(words, 3);
  return std::nullopt;
}

void ReadMetaSet(const Words& words, const ItemSizeRule& item_size, CommandLine* command) {
  if (!CheckWords(words, "CLIENT_ERROR options flags too long", command)) return;
  Request& request = command->request;
  const std::optional<int32_t> bytes = ReadSigned32(words[2]);
  if (!bytes || *bytes < 0 || *bytes > std::numeric_limits<int32_t>::max() - 2) {
    return Reject(kBadFormat, command);
  }
  const uint64_t with_line_end = static_cast<uint64_t>(*bytes) + 2;
  if (const auto error = ReadStoreFlags(words, &request)) {
    command->skip_bytes = with_line_end;
    return Reject(*error, command);
  }
  const size_t value_bytes = static_cast<size_t>(*bytes);
  request.too_large = !item_size.Fits(request.key().size(), request.client_flags, value_bytes);
  if (request.too_large) {
    command->skip_bytes = with_line_end;
  } else {
    command->value_bytes = with_line_end;
  }
}

void ReadMetaDebug(const Words& words, CommandLine* command) {
  if (words.size() < 2 || words[1].size() > kMaxKeyBytes) return Reject(kBadFormat, command);
  Request& request = command->request;
  request.keys.push_back(words[1]);
  if (words.size() < 3 || words[2] != "b") return;
  std::optional<std::string> key = DecodeKey(words[1]);
  // The engine would repeat the key, perhaps in its bare bytes (passed_line.h).
  if (!key || key->find('\n') != std::string::npos) return Reject(kBadFormat, command);
  request.binary = true;
  request.decoded_key = *std::move(key);
}

}  // namespace

void ReadMetaCommand(const Words& words, const ItemSizeRule& item_size, CommandLine* command) {
  switch (command->request.verb) {
    case Verb::kMetaGet:
      return ReadMetaGet(words, command);
    case Verb::kMetaSet:
      return ReadMetaSet(words, item_size, command);
    case Verb::kMetaDelete:
      return ReadMetaDelete(words, command);
    case Verb::kMetaArithmetic:
      return ReadMetaArithmetic(words, command);
    case Verb::kMetaDebug:
      return ReadMetaDebug(words, command);
    default:
      CHECK_UNREACHABLE();
  }
}

}  // namespace cairn::adapter::memcache
