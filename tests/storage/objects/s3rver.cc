#include "tests/storage/objects/s3rver.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <vector>

#include "base/check.h"
#include "tests/adapter/certificate.h"

namespace cairn::objects::testing {
namespace {

// Where npm put the program; "" if it cannot.
std::string Program() {
  FILE* pipe = popen(
      "timeout 90 npm exec --yes --package=s3rver@3.7.1 -- sh -c 'command -v s3rver' 2>/dev/null",
      "re");
  if (pipe == nullptr) return "";
  std::array<char, 4096> line = {};
  std::string path = fgets(line.data(), line.size(), pipe) == nullptr ? "" : line.data();
  pclose(pipe);
  if (path.ends_with('\n')) path.pop_back();
  return path;
}

// Its first line of output that says where it listens.
std::string ReadAddress(int fd) {
  std::string said;
  std::array<char, 256> block = {};
  for (;;) {
    const size_t at = said.find("listening on ");
    const size_t end = at == std::string::npos ? at : said.find('\n', at);
    if (end != std::string::npos) return said.substr(at + 13, end - at - 13);
    const ssize_t got = read(fd, block.data(), block.size());
    if (got <= 0) return "";
    said.append(block.data(), static_cast<size_t>(got));
  }
}

}  // namespace

std::unique_ptr<S3rver> S3rver::Start(Transport transport) {
  const std::string program = Program();
  if (program.empty()) return nullptr;
  std::unique_ptr<S3rver> server(new S3rver());
  const bool tls = transport == Transport::kTls;
  const adapter::testing::Certificate certificate = adapter::testing::NewCertificate();
  std::ofstream(server->keys_.File("key.pem")) << certificate.key_pem;
  std::ofstream(server->certificate_file()) << certificate.certificate_pem;
  std::vector<std::string> words = {
      "s3rver", "-d", server->directory_.path(), "-a",       "127.0.0.1", "-p",
      "0",      "-s", "--configure-bucket",      "snapshots"};
  if (tls) {
    words.insert(words.end(),
                 {"--key", server->keys_.File("key.pem"), "--cert", server->certificate_file()});
  }
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  int out[2];
  CHECK_EQ(pipe2(out, O_CLOEXEC), 0);
  server->pid_ = fork();
  CHECK_GE(server->pid_, 0);
  if (server->pid_ == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(out[1], STDOUT_FILENO);
    execv(program.c_str(), argv.data());
    _exit(127);
  }
  close(out[1]);
  const std::string address = ReadAddress(out[0]);
  close(out[0]);
  CHECK(!address.empty());
  server->endpoint_ = (tls ? "https://" : "http://") + address;
  return server;
}

S3rver::~S3rver() {
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

}  // namespace cairn::objects::testing
