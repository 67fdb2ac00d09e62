#include "storage/objects/aws_credentials.h"

#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "base/status_macros.h"

namespace cairn::objects {
namespace {

constexpr size_t kMaxFileBytes = size_t{1} << 20;

std::string Variable(EnvironmentLookup lookup, const char* name, std::string_view otherwise = {}) {
  const char* value = lookup(name);
  return std::string(value != nullptr && *value != '\0' ? std::string_view(value) : otherwise);
}

std::string_view Trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r";
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

// A line break in a key would let it add headers of its own.
bool IsPrintable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

absl::StatusOr<AwsCredentials> Checked(AwsCredentials credentials, std::string_view where) {
  if (credentials.access_key_id.empty() || credentials.secret_access_key.empty()) {
    return absl::UnauthenticatedError(
        fmt::format("S3 credentials: {} has no {}", where,
                    credentials.access_key_id.empty() ? "access key id" : "secret access key"));
  }
  // libcurl takes both as user:password and splits at the first colon.
  if (!IsPrintable(credentials.access_key_id) || !IsPrintable(credentials.secret_access_key) ||
      !IsPrintable(credentials.session_token) ||
      credentials.access_key_id.find(':') != std::string::npos) {
    return absl::UnauthenticatedError(
        fmt::format("S3 credentials: {} has a key with bytes that no key has", where));
  }
  return credentials;
}

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text(kMaxFileBytes + 1, '\0');
  if (!file.is_open()) {
    return absl::UnauthenticatedError(fmt::format(
        "S3 credentials: neither AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are set, nor can {} "
        "be read",
        path));
  }
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxFileBytes) {
    return absl::UnauthenticatedError(fmt::format("S3 credentials: {} is no such file", path));
  }
  return text;
}

}  // namespace

absl::StatusOr<AwsCredentials> ParseCredentialsFile(std::string_view text,
                                                    std::string_view profile) {
  AwsCredentials credentials;
  bool found = false;
  bool inside = false;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    const std::string_view line = Trim(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with('[')) {
      inside = line.ends_with(']') && Trim(line.substr(1, line.size() - 2)) == profile;
      found |= inside;
    }
    const size_t equals = line.find('=');
    if (!inside || equals == std::string_view::npos || line.starts_with('#')) continue;
    const std::string_view name = Trim(line.substr(0, equals));
    const std::string_view value = Trim(line.substr(equals + 1));
    if (name == "aws_access_key_id") credentials.access_key_id = value;
    if (name == "aws_secret_access_key") credentials.secret_access_key = value;
    if (name == "aws_session_token") credentials.session_token = value;
  }
  if (!found) {
    return absl::UnauthenticatedError(
        fmt::format("S3 credentials: there is no profile [{}]", profile));
  }
  return Checked(std::move(credentials), fmt::format("profile [{}]", profile));
}

absl::StatusOr<AwsCredentials> LoadAwsCredentials(EnvironmentLookup lookup) {
  AwsCredentials credentials = {Variable(lookup, "AWS_ACCESS_KEY_ID"),
                                Variable(lookup, "AWS_SECRET_ACCESS_KEY"),
                                Variable(lookup, "AWS_SESSION_TOKEN")};
  // One without the other is a mistake, which another identity from a file must not cover up.
  if (!credentials.access_key_id.empty() || !credentials.secret_access_key.empty()) {
    return Checked(std::move(credentials), "the environment (AWS_ACCESS_KEY_ID, …)");
  }
  const std::string path = Variable(lookup, "AWS_SHARED_CREDENTIALS_FILE",
                                    Variable(lookup, "HOME") + "/.aws/credentials");
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path));
  const absl::StatusOr<AwsCredentials> parsed =
      ParseCredentialsFile(text, Variable(lookup, "AWS_PROFILE", "default"));
  return parsed.ok() ? parsed : absl::StatusOr<AwsCredentials>(Annotate(parsed.status(), path));
}

}  // namespace cairn::objects
