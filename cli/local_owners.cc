// Which processes have a node's directory and port, by its lock and by /proc.
#include <arpa/inet.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <netdb.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <sstream>
#include <string>

#include "cli/local_checks.h"

namespace cairn::cli {
namespace {

// The process that holds the directory's lock, as it has written into it; nothing: nobody does.
std::optional<pid_t> HolderOf(const std::string& dir) {
  const std::string path = dir + "/LOCK";
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return std::nullopt;
  const bool free = flock(fd, LOCK_SH | LOCK_NB) == 0;
  close(fd);
  if (free) return std::nullopt;
  pid_t pid = 0;
  std::ifstream(path) >> pid;
  return pid;
}

// Inodes of the sockets that listen on `port`, as /proc writes them: "socket:[N]".
std::vector<std::string> ListenersOn(uint16_t port) {
  constexpr char kListening[] = "0A";
  std::vector<std::string> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    std::ifstream lines(table);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string slot, local, remote, state, skip, inode;
      words >> slot >> local >> remote >> state;
      for (int i = 0; i < 5; ++i) words >> skip;
      words >> inode;
      if (state == kListening && local.ends_with(fmt::format(":{:04X}", port))) {
        sockets.push_back(fmt::format("socket:[{}]", inode));
      }
    }
  }
  return sockets;
}

bool HasSocket(const std::filesystem::path& process, const std::vector<std::string>& sockets) {
  std::error_code error;
  for (const auto& fd : std::filesystem::directory_iterator(process / "fd", error)) {
    const std::string target = std::filesystem::read_symlink(fd.path(), error).string();
    if (std::find(sockets.begin(), sockets.end(), target) != sockets.end()) return true;
  }
  return false;
}

// The process that listens there; 0: one of another user; nothing: nobody does.
std::optional<pid_t> ListenerOn(uint16_t port) {
  const std::vector<std::string> sockets = ListenersOn(port);
  if (sockets.empty()) return std::nullopt;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", error)) {
    const std::string name = entry.path().filename();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    if (HasSocket(entry.path(), sockets)) return std::stoi(name);
  }
  return 0;
}

std::string NameOf(pid_t pid) {
  if (pid == 0) return "a process of another user";
  std::string name;
  std::getline(std::ifstream(fmt::format("/proc/{}/comm", pid)), name);
  return fmt::format("process {} ({})", pid, name);
}

struct Address {
  std::string host;
  std::string port;
};

Address Split(const std::string& listen) {
  const size_t colon = listen.rfind(':');
  if (colon == std::string::npos) return {};
  std::string host = listen.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  return {host, listen.substr(colon + 1)};
}

// Why nobody could listen there; empty: one can.
std::string TryBind(const Address& address) {
  addrinfo hints = {};
  hints.ai_flags = AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(address.host.empty() ? nullptr : address.host.c_str(),
                                    address.port.c_str(), &hints, &found)) {
    return gai_strerror(error);
  }
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> list(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const std::string refusal =
      bind(fd, found->ai_addr, found->ai_addrlen) == 0 ? "" : std::strerror(errno);
  close(fd);
  return refusal;
}

void CheckFreePort(const std::string& listen, Findings& findings) {
  const std::string refusal = TryBind(Split(listen));
  if (refusal.empty()) {
    findings.Ok("port", listen, "free: the node does not run");
  } else {
    findings.Fail("port", listen, "nobody can listen there: " + refusal,
                  "give --listen an address of this machine, and a port above 1023");
  }
}

}  // namespace

void CheckOwners(const std::string& dir, const std::string& listen, Findings& findings) {
  const std::optional<pid_t> holder = dir.empty() ? std::nullopt : HolderOf(dir);
  if (listen.empty()) {
    if (holder) findings.Ok("directory", dir, "in use by " + NameOf(*holder));
    return;
  }
  const auto port = static_cast<uint16_t>(std::strtoul(Split(listen).port.c_str(), nullptr, 10));
  const std::optional<pid_t> listener = ListenerOn(port);
  if (holder && listener != holder) {
    findings.Fail("directory", dir,
                  fmt::format("{} has it, and does not listen on {}", NameOf(*holder), listen),
                  "two nodes were given one directory: give this one a --data-dir of its own");
  } else if (holder) {
    findings.Ok("directory", dir, "in use by the node, " + NameOf(*holder));
  }
  if (!listener) {
    CheckFreePort(listen, findings);
  } else if (holder == listener) {
    findings.Ok("port", listen, "the node listens there");
  } else if (!dir.empty()) {
    findings.Fail("port", listen, NameOf(*listener) + " listens there",
                  "stop it, or give this node another port with --listen and tell the others");
  }
}

}  // namespace cairn::cli
