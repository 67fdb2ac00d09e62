#include "adapter/redis/inline_command.h"

#include <algorithm>
#include <optional>

namespace cairn::adapter::redis {
namespace {

// isspace() of the C locale; only some of these also end a word.
constexpr std::string_view kLeadingSpace = " \t\n\v\f\r";
constexpr std::string_view kWordEnd = " \n\r\t";

std::optional<int> HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

char Unescaped(char c) {
  switch (c) {
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case 'b':
      return '\b';
    case 'a':
      return '\a';
    default:
      return c;
  }
}

// Takes one escape, whose '\' is at the front of `rest`, of a "…" string.
char TakeEscape(std::string_view* rest) {
  if (rest->size() >= 4 && (*rest)[1] == 'x') {
    const std::optional<int> high = HexDigit((*rest)[2]);
    const std::optional<int> low = HexDigit((*rest)[3]);
    if (high && low) {
      rest->remove_prefix(4);
      return static_cast<char>(*high * 16 + *low);
    }
  }
  const char c = Unescaped((*rest)[1]);
  rest->remove_prefix(2);
  return c;
}

// Takes the rest of a quoted string, behind its opening quote, with the closing one.
bool TakeQuoted(char quote, std::string_view* rest, std::string* word) {
  while (!rest->empty()) {
    const char c = rest->front();
    if (c == quote) {
      rest->remove_prefix(1);
      return rest->empty() || kLeadingSpace.find(rest->front()) != std::string_view::npos;
    }
    if (quote == '"' && c == '\\' && rest->size() > 1) {
      *word += TakeEscape(rest);
    } else if (quote == '\'' && rest->starts_with("\\'")) {
      *word += '\'';
      rest->remove_prefix(2);
    } else {
      *word += c;
      rest->remove_prefix(1);
    }
  }
  return false;
}

bool TakeWord(std::string_view* rest, std::string* word) {
  while (!rest->empty() && kWordEnd.find(rest->front()) == std::string_view::npos) {
    const char c = rest->front();
    rest->remove_prefix(1);
    // The closing quote ends the word, whichever blank follows.
    if (c == '"' || c == '\'') return TakeQuoted(c, rest, word);
    *word += c;
  }
  return true;
}

}  // namespace

bool SplitInlineCommand(std::string_view line, std::vector<std::string>* argv) {
  std::string_view rest = line.substr(0, line.find('\0'));
  while (true) {
    rest.remove_prefix(std::min(rest.find_first_not_of(kLeadingSpace), rest.size()));
    if (rest.empty()) return true;
    if (!TakeWord(&rest, &argv->emplace_back())) return false;
  }
}

}  // namespace cairn::adapter::redis
