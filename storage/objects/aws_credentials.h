// AwsCredentials: who signs the requests to S3.
//
// From the environment (AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN), else from the
// shared file (AWS_SHARED_CREDENTIALS_FILE, default ~/.aws/credentials; profile AWS_PROFILE,
// default `default`). S3Store looks them up for every operation, so that keys which somebody renews
// in the file are taken up without a restart. They stand in no message, URL or argument; a struct
// that holds them has no way to be printed.
//
// Threads: any; nothing is kept.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "storage/objects/store_url.h"

namespace cairn::objects {

struct AwsCredentials {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // Empty for keys that do not expire.
};

// Errors: UNAUTHENTICATED with what is missing and where it was looked for.
absl::StatusOr<AwsCredentials> LoadAwsCredentials(EnvironmentLookup lookup);

// One profile of the shared file's text (`[name]` and `key = value`).
// Errors: UNAUTHENTICATED when the profile is not there or has no keys.
absl::StatusOr<AwsCredentials> ParseCredentialsFile(std::string_view text,
                                                    std::string_view profile);

}  // namespace cairn::objects
