// S3Store against a service that misbehaves, and its signatures against Amazon's rules
// ("Create a signed AWS API request"): s3rver checks no signature of version 4.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "storage/objects/s3_store.h"
#include "tests/storage/objects/http_server.h"

namespace cairn::objects {
namespace {

using ::testing::HasSubstr;
using testing::HttpReply;
using testing::HttpRequest;
using testing::HttpServer;
using ::testing::Not;

constexpr char kSecret[] = "wJalrXUtnFEMI/K7MDENG+secret";
constexpr char kToken[] = "token/with+signs==";
constexpr size_t kPartBytes = 1000;

const char* Environment(const char* name) {
  const std::string_view wanted = name;
  if (wanted == "AWS_ACCESS_KEY_ID") return "AKIDEXAMPLE";
  if (wanted == "AWS_SECRET_ACCESS_KEY") return kSecret;
  if (wanted == "AWS_SESSION_TOKEN") return kToken;
  return nullptr;
}

// A service with pauses that a test can afford.
std::unique_ptr<ObjectStore> StoreAt(const HttpServer& server, std::string prefix = "") {
  S3StoreUrl url;
  url.bucket = "snapshots";
  url.prefix = std::move(prefix);
  url.endpoint = server.endpoint();
  url.region = "eu-west-1";
  url.path_style = true;
  url.part_bytes = kPartBytes;
  return S3Store::Open(
      url, Environment,
      {.attempts = 3, .first_pause_ms = 1, .max_pause_ms = 2, .stall_timeout_s = 1});
}

HttpReply Error(int status, std::string_view code) {
  return {.status = status,
          .body = fmt::format("<?xml version=\"1.0\"?><Error><Code>{}</Code><Message>said so"
                              "</Message></Error>",
                              code)};
}

std::string Hex(std::string_view bytes) {
  std::string hex;
  for (const char c : bytes) hex += fmt::format("{:02x}", static_cast<unsigned char>(c));
  return hex;
}

std::string Sha256(std::string_view bytes) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr);
  return Hex({reinterpret_cast<char*>(digest), size});
}

std::string Hmac(std::string_view key, std::string_view text) {
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest, &size);
  return {reinterpret_cast<char*>(digest), size};
}

std::vector<std::string> Split(std::string_view text, char mark) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t at = text.find(mark);
    parts.emplace_back(text.substr(0, at));
    text.remove_prefix(at == std::string_view::npos ? text.size() : at + 1);
  }
  return parts;
}

// The query as the service makes it canonical: taken apart, decoded, encoded, sorted.
std::string CanonicalQuery(const std::string& query) {
  std::vector<std::string> parts;
  for (const std::string& part : Split(query, '&')) {
    const size_t equals = part.find('=');
    const std::string value = equals == std::string::npos ? "" : part.substr(equals + 1);
    parts.push_back(PercentEncode(*PercentDecode(part.substr(0, equals)), false) + "=" +
                    PercentEncode(*PercentDecode(value), false));
  }
  std::sort(parts.begin(), parts.end());
  return fmt::format("{}", fmt::join(parts, "&"));
}

// What stands behind `name` in the Authorization header.
std::string Part(const std::string& header, const std::string& name) {
  const size_t at = header.find(name) + name.size();
  return header.substr(at, header.find_first_of(", ", at) - at);
}

// Whether the service would take the request; "" or what it would say.
std::string CheckSignature(const HttpRequest& request) {
  const auto header = [&](const char* name) {
    const auto found = request.headers.find(name);
    return found == request.headers.end() ? std::string() : found->second;
  };
  if (header("x-amz-content-sha256") != Sha256(request.body)) return "wrong x-amz-content-sha256";
  const std::string authorization = header("authorization");
  const std::string signed_names = Part(authorization, "SignedHeaders=");
  std::string headers;
  for (const std::string& name : Split(signed_names, ';')) {
    headers += fmt::format("{}:{}\n", name, header(name.c_str()));
  }
  for (const char* name : {"host", "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"}) {
    if (("\n" + headers).find(fmt::format("\n{}:", name)) == std::string::npos) {
      return fmt::format("{} is not signed", name);
    }
  }
  const std::string canonical = fmt::format(
      "{}\n{}\n{}\n{}\n{}\n{}", request.method, PercentEncode(*PercentDecode(request.path), true),
      CanonicalQuery(request.query), headers, signed_names, header("x-amz-content-sha256"));
  const std::string date = header("x-amz-date");
  const std::string scope = date.substr(0, 8) + "/eu-west-1/s3/aws4_request";
  const std::string text =
      fmt::format("AWS4-HMAC-SHA256\n{}\n{}\n{}", date, scope, Sha256(canonical));
  std::string key = fmt::format("AWS4{}", kSecret);
  for (const std::string& step : Split(scope, '/')) key = Hmac(key, step);
  if (Part(authorization, "Credential=") != "AKIDEXAMPLE/" + scope) return "wrong credential";
  return Part(authorization, "Signature=") == Hex(Hmac(key, text)) ? "" : "wrong signature";
}

// A service in memory that takes what its checks let pass.
class FakeS3 {
 public:
  HttpReply Answer(const HttpRequest& request) {
    requests.push_back(request.method + " " + request.path + "?" + request.query);
    if (std::string wrong = CheckSignature(request); !wrong.empty()) {
      wrongs.push_back(requests.back() + ": " + wrong);
    }
    const std::string path = *PercentDecode(request.path);
    if (request.query == "uploads=") {
      return {.body =
                  "<r:InitiateMultipartUploadResult xmlns:r='urn:x'><r:UploadId>id/+&amp;="
                  "</r:UploadId></r:InitiateMultipartUploadResult>"};
    }
    if (request.method == "PUT" && !request.query.empty()) {
      parts += request.body;
      return {.headers = {fmt::format("ETag: \"{}\"", ++part_count)}};
    }
    if (request.method == "PUT") objects[path] = request.body;
    if (request.method == "POST") {
      objects[path] = parts;
      return {.body = "<CompleteMultipartUploadResult/>"};
    }
    if (request.method == "DELETE") return {.status = 204};
    if (request.method == "GET" || request.method == "HEAD") return Read(request, objects[path]);
    return {.headers = {"ETag: \"1\""}};
  }

  static HttpReply Read(const HttpRequest& request, const std::string& object) {
    HttpReply reply = {.headers = {"ETag: \"v1\"", "Last-Modified: Sun, 22 Nov 2026 10:00:00 GMT"},
                       .body = object};
    if (request.method == "HEAD") {
      reply.headers.push_back(fmt::format("Content-Length: {}", object.size()));
    }
    const auto range = request.headers.find("range");
    if (range == request.headers.end()) return reply;
    const size_t first = std::stoull(range->second.substr(6));
    reply.status = 206;
    reply.body = object.substr(first);
    reply.headers.push_back(
        fmt::format("Content-Range: bytes {}-{}/{}", first, object.size() - 1, object.size()));
    return reply;
  }

  std::map<std::string, std::string> objects;
  std::string parts;
  int part_count = 0;
  std::vector<std::string> requests;
  std::vector<std::string> wrongs;  // Signatures.
};

std::string Content(size_t bytes) {
  std::string content;
  while (content.size() < bytes) content += fmt::format("{} ", content.size());
  return content.substr(0, bytes);
}

absl::StatusOr<std::string> Get(ObjectStore& store, std::string_view key = "a/x") {
  return GetBytes(store, key, 1 << 20);
}

TEST(S3SignatureTest, IsWhatTheServiceComputes) {
  FakeS3 fake;
  HttpServer server([&](const HttpRequest& request) {
    const bool lists = request.query.find("list-type") != std::string::npos;
    HttpReply reply = fake.Answer(request);
    if (lists) {
      const bool first = request.query.find("continuation") == std::string::npos;
      reply.body = fmt::format(
          "<ListBucketResult><IsTruncated>{}</IsTruncated>{}"
          "</ListBucketResult>",
          first, first ? "<NextContinuationToken>a+/= b</NextContinuationToken>" : "");
    }
    return reply;
  });
  for (const char* prefix : {"", "plain", "with space/+plus&and=é/~tilde*(1)"}) {
    const auto store = StoreAt(server, prefix);
    EXPECT_TRUE(PutBytes(*store, "a=1/x", "small").ok());
    EXPECT_TRUE(PutBytes(*store, "a=1/y", Content(2500)).ok());
    EXPECT_EQ(Get(*store, "a=1/x").value_or("none"), "small");
    EXPECT_TRUE(store->Head("a=1/x").ok());
    EXPECT_TRUE(store->List("a=1/").ok());
    EXPECT_TRUE(store->Delete("a=1/x").ok());
  }
  EXPECT_THAT(fake.wrongs, ::testing::IsEmpty());
  EXPECT_GE(fake.requests.size(), 30u);
}

TEST(S3FaultsTest, ADownloadGoesOnWhereItBroke) {
  const std::string content = Content(10'000);
  int answers = 0;
  std::vector<std::string> asked;
  HttpServer server([&](const HttpRequest& request) {
    HttpReply reply = FakeS3::Read(request, content);
    const auto range = request.headers.find("range");
    if (range != request.headers.end()) {
      asked.push_back(range->second + " " + request.headers.at("if-match"));
    }
    // More failures than attempts, each with progress but the last.
    if (++answers <= 5) reply.cut_after = 1000;
    if (answers == 6) reply = Error(503, "SlowDown");
    return reply;
  });
  const auto store = StoreAt(server);
  const auto got = Get(*store);
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(*got, content);
  ASSERT_EQ(asked.size(), 6u);
  EXPECT_EQ(asked.front(), "bytes=1000- \"v1\"");
  EXPECT_EQ(asked.back(), "bytes=5000- \"v1\"");
}

TEST(S3FaultsTest, AnAnswerThatGoesOnElsewhereIsRefused) {
  const std::string content = Content(5000);
  struct Case {
    const char* what;
    HttpReply second;
    absl::StatusCode code;
  };
  const Case cases[] = {
      {"the whole again", {.body = content}, absl::StatusCode::kDataLoss},
      {"another range",
       {.status = 206, .headers = {"Content-Range: bytes 7-4999/5000"}, .body = content.substr(7)},
       absl::StatusCode::kDataLoss},
      {"of another size",
       {.status = 206, .headers = {"Content-Range: bytes 1000-1999/2000"}, .body = Content(1000)},
       absl::StatusCode::kDataLoss},
      {"no range said", {.status = 206, .body = content.substr(1000)}, absl::StatusCode::kDataLoss},
      {"another object", Error(412, "PreconditionFailed"), absl::StatusCode::kDataLoss},
      {"gone", Error(404, "NoSuchKey"), absl::StatusCode::kNotFound},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.what);
    int answers = 0;
    HttpServer server([&](const HttpRequest& request) {
      if (++answers > 1) return c.second;
      HttpReply reply = FakeS3::Read(request, content);
      reply.cut_after = 1000;
      return reply;
    });
    const auto store = StoreAt(server);
    std::string seen;
    const absl::Status got = store->Get("a/x", [&](std::string_view bytes) {
      seen += bytes;
      return absl::OkStatus();
    });
    EXPECT_EQ(got.code(), c.code) << got;
    EXPECT_EQ(seen, content.substr(0, 1000));
  }
}

TEST(S3FaultsTest, WhatMayPassIsTriedAgainAndTheRestIsNot) {
  struct Case {
    HttpReply reply;
    absl::StatusCode code;
    int attempts;
    const char* says;
  };
  const Case cases[] = {
      {Error(500, "InternalError"), absl::StatusCode::kUnavailable, 3, "3 attempts failed"},
      {Error(503, "SlowDown"), absl::StatusCode::kUnavailable, 3, "HTTP 503 SlowDown (said so)"},
      {Error(400, "RequestTimeout"), absl::StatusCode::kUnavailable, 3, "RequestTimeout"},
      {{.body = "x", .cut_after = 0}, absl::StatusCode::kUnavailable, 3, "3 attempts failed"},
      {{.silent = true}, absl::StatusCode::kUnavailable, 3, "imeout"},
      {Error(403, "AccessDenied"), absl::StatusCode::kPermissionDenied, 1, "s3:PutObject"},
      {Error(403, "RequestTimeTooSkewed"), absl::StatusCode::kPermissionDenied, 1, "clock"},
      {Error(404, "NoSuchBucket"), absl::StatusCode::kNotFound, 1, "make the bucket"},
      {{.status = 301, .headers = {"x-amz-bucket-region: ap-south-1"}},
       absl::StatusCode::kUnavailable,
       1,
       "region=ap-south-1"},
      {{.status = 200, .body = "<html>"}, absl::StatusCode::kDataLoss, 1, "endpoint"},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.says);
    int attempts = 0;
    HttpServer server([&](const HttpRequest&) {
      ++attempts;
      return c.reply;
    });
    const auto store = StoreAt(server);
    const absl::Status listed = store->List("").status();
    EXPECT_EQ(listed.code(), c.code) << listed;
    EXPECT_EQ(attempts, c.attempts);
    EXPECT_THAT(std::string(listed.message()), HasSubstr(c.says));
    EXPECT_THAT(std::string(listed.message()), Not(HasSubstr(kSecret)));
    EXPECT_THAT(std::string(listed.message()), Not(HasSubstr(kToken)));
  }
}

TEST(S3FaultsTest, AnUploadThatFailsIsAborted) {
  for (const char* fails : {"partNumber=2", "uploadId=id"}) {
    SCOPED_TRACE(fails);
    FakeS3 fake;
    HttpServer server([&](const HttpRequest& request) {
      HttpReply reply = fake.Answer(request);
      const bool chosen = request.method != "DELETE" && request.query.starts_with(fails);
      return chosen ? Error(403, "AccessDenied") : reply;
    });
    const auto store = StoreAt(server);
    EXPECT_TRUE(absl::IsPermissionDenied(PutBytes(*store, "a/x", Content(2500))));
    EXPECT_EQ(fake.requests.back(), "DELETE /snapshots/a/x?uploadId=id%2F%2B%26%3D");
  }
}

TEST(S3FaultsTest, AnErrorInAnAnswerThatBeganWellIsAnError) {
  FakeS3 fake;
  int completions = 0;
  HttpServer server([&](const HttpRequest& request) {
    HttpReply reply = fake.Answer(request);
    if (request.method != "POST" || request.query == "uploads=") return reply;
    ++completions;
    if (completions == 1) return HttpReply{.body = Error(500, "InternalError").body};
    return completions == 2 ? HttpReply{.body = Error(400, "InvalidPart").body} : reply;
  });
  const auto store = StoreAt(server);
  const absl::Status put = PutBytes(*store, "a/x", Content(2500));
  EXPECT_FALSE(put.ok());
  EXPECT_THAT(std::string(put.message()), HasSubstr("InvalidPart"));
  EXPECT_EQ(completions, 2);
}

TEST(S3FaultsTest, ALostAnswerToTheCompletionIsFoundOut) {
  for (const bool whole : {true, false}) {
    FakeS3 fake;
    int completions = 0;
    HttpServer server([&](const HttpRequest& request) {
      HttpReply reply = fake.Answer(request);
      if (request.method == "HEAD") reply.headers[0] = whole ? "ETag: \"m-3\"" : "ETag: \"old\"";
      if (request.method != "POST" || request.query == "uploads=") return reply;
      if (++completions == 1) return HttpReply{.body = "x", .cut_after = 0};
      return Error(404, "NoSuchUpload");
    });
    const auto store = StoreAt(server);
    const absl::Status put = PutBytes(*store, "a/x", Content(2500));
    EXPECT_EQ(put.code(), whole ? absl::StatusCode::kOk : absl::StatusCode::kNotFound) << put;
    EXPECT_EQ(completions, 2);
  }
}

TEST(S3FaultsTest, UnfinishedUploadsAreRemoved) {
  std::vector<std::string> requests;
  HttpServer server([&](const HttpRequest& request) {
    requests.push_back(request.method + " " + request.path + "?" + request.query);
    if (request.method == "DELETE") return HttpReply{.status = 204};
    return HttpReply{.body = R"(<ListMultipartUploadsResult><IsTruncated>false</IsTruncated>
      <Upload><Key>p/a</Key><UploadId>old</UploadId><Initiated>2026-11-01T00:00:00.000Z</Initiated></Upload>
      <Upload><Key>p/b</Key><UploadId>new</UploadId><Initiated>2026-11-22T00:00:00.000Z</Initiated></Upload>
      <Upload><Key>q/c</Key><UploadId>other</UploadId><Initiated>2026-11-01T00:00:00.000Z</Initiated></Upload>
      </ListMultipartUploadsResult>)"};
  });
  const auto store = StoreAt(server, "p");
  const auto removed = store->RemoveUnfinished(*ParseIsoTime("2026-11-21T00:00:00Z"));
  ASSERT_TRUE(removed.ok()) << removed.status();
  EXPECT_EQ(*removed, 1u);
  EXPECT_EQ(requests,
            (std::vector<std::string>{"GET /snapshots/?encoding-type=url&prefix=p%2F&uploads=",
                                      "DELETE /snapshots/p/a?uploadId=old"}));
}

TEST(S3FaultsTest, StopEndsASilentTransfer) {
  ObjectStore* stopped = nullptr;
  HttpServer server([&](const HttpRequest&) {
    stopped->Stop();
    return HttpReply{.silent = true};
  });
  const auto store = StoreAt(server);
  stopped = store.get();
  EXPECT_TRUE(absl::IsCancelled(Get(*store).status()));
}

}  // namespace
}  // namespace cairn::objects
