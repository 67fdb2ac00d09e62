// Faults of the network: links that are cut in one or both directions, late, lossy, out of order,
// or that damage what they carry. Clients reach every node unless a fault says otherwise.
#include <fmt/format.h>

#include <utility>

#include "absl/time/clock.h"
#include "base/status_macros.h"
#include "tests/fault/fault.h"

namespace cairn::fault {
namespace {

constexpr LinkRule kCut = {.cut = true};

// Lasts from `apply` on as long as a fault does; `proof` counts the packets that felt it.
template <class Apply>
absl::StatusOr<std::string> Disturb(Lab& lab, std::string what, uint64_t PacketCounts::*proof,
                                    Apply apply) {
  VirtualNet& net = *lab.net();
  const uint64_t before = net.counts().*proof;
  apply(net);
  lab.Hold();
  net.Heal();
  const uint64_t packets = net.counts().*proof - before;
  if (packets == 0) return NoEffect("no packet felt it: " + what);
  return fmt::format("{}: {} packets", what, packets);
}

std::string Names(const std::vector<size_t>& nodes) {
  std::string names;
  for (const size_t node : nodes) names += (names.empty() ? "" : "+") + Lab::Name(node);
  return names;
}

// ---- Cuts ------------------------------------------------------------------------------

absl::StatusOr<std::string> Isolate(Lab& lab, const std::vector<size_t>& minority) {
  return Disturb(lab, Names(minority) + " cut off", &PacketCounts::cut, [&](VirtualNet& net) {
    for (const size_t in : minority) {
      for (size_t out = 0; out < lab.size(); ++out) {
        const bool inside = std::find(minority.begin(), minority.end(), out) != minority.end();
        if (!inside) net.SetPair(in, out, kCut);
      }
    }
  });
}

absl::StatusOr<std::string> IsolateLeader(Lab& lab) { return Isolate(lab, lab.Draw(1, true)); }
absl::StatusOr<std::string> PartitionMinority(Lab& lab) {
  return Isolate(lab, lab.Draw((lab.size() - 1) / 2, lab.random().Chance(0.5)));
}

// From everybody, clients too: what they had asked never gets an answer.
absl::StatusOr<std::string> BlackholeLeader(Lab& lab) {
  const size_t node = lab.Draw(1, true).front();
  return Disturb(lab, Lab::Name(node) + " heard and reached by nobody", &PacketCounts::cut,
                 [&](VirtualNet& net) {
                   for (size_t other = 0; other <= net.size(); ++other) {
                     if (other != node) net.SetPair(node, other, kCut);
                   }
                 });
}

absl::StatusOr<std::string> EveryoneAlone(Lab& lab) {
  return Disturb(lab, "no two nodes connected", &PacketCounts::cut, [&](VirtualNet& net) {
    for (size_t a = 0; a < lab.size(); ++a) {
      for (size_t b = 0; b < a; ++b) net.SetPair(a, b, kCut);
    }
  });
}

absl::StatusOr<std::string> OneWay(Lab& lab, bool leader_is_mute) {
  const size_t node = lab.Draw(1, true).front();
  return Disturb(lab,
                 fmt::format("{} {} its peers", Lab::Name(node),
                             leader_is_mute ? "hears, and is not heard by,"
                                            : "is heard by, and does not hear,"),
                 &PacketCounts::cut, [&](VirtualNet& net) {
                   for (size_t peer = 0; peer < lab.size(); ++peer) {
                     if (peer == node) continue;
                     leader_is_mute ? net.SetLink(node, peer, kCut) : net.SetLink(peer, node, kCut);
                   }
                 });
}
absl::StatusOr<std::string> MuteLeader(Lab& lab) { return OneWay(lab, true); }
absl::StatusOr<std::string> DeafLeader(Lab& lab) { return OneWay(lab, false); }

// Two halves that do not see each other, and one node that sees both.
absl::StatusOr<std::string> Bridge(Lab& lab) {
  const std::vector<size_t> nodes = lab.Draw(lab.size(), lab.random().Chance(0.5));
  const size_t half = (nodes.size() - 1) / 2;
  return Disturb(lab, Lab::Name(nodes.front()) + " alone sees both halves", &PacketCounts::cut,
                 [&](VirtualNet& net) {
                   for (size_t left = 1; left <= half; ++left) {
                     for (size_t right = half + 1; right < nodes.size(); ++right) {
                       net.SetPair(nodes[left], nodes[right], kCut);
                     }
                   }
                 });
}

// Everybody sees two neighbours: each has a majority, and no two the same.
absl::StatusOr<std::string> Ring(Lab& lab) {
  const std::vector<size_t> nodes = lab.Draw(lab.size(), true);
  return Disturb(lab, "each sees its two neighbours", &PacketCounts::cut, [&](VirtualNet& net) {
    for (size_t a = 0; a < nodes.size(); ++a) {
      for (size_t b = 0; b < a; ++b) {
        const bool next_to = a - b == 1 || a - b == nodes.size() - 1;
        if (!next_to) net.SetPair(nodes[a], nodes[b], kCut);
      }
    }
  });
}

// Random links clog one after another, and open again in another order.
absl::StatusOr<std::string> SwizzleClog(Lab& lab) {
  VirtualNet& net = *lab.net();
  std::vector<std::pair<size_t, size_t>> links;
  for (size_t from = 0; from < lab.size(); ++from) {
    for (size_t to = 0; to < lab.size(); ++to) {
      if (from != to && lab.random().Chance(0.6)) links.emplace_back(from, to);
    }
  }
  const uint64_t before = net.counts().cut;
  const auto pause = [&] { lab.Wait(absl::Milliseconds(lab.random().Between(50, 700))); };
  for (const bool clog : {true, false}) {
    for (size_t i = links.size(); i > 1; --i) {
      std::swap(links[i - 1], links[lab.random().Below(i)]);
    }
    for (const auto& [from, to] : links) {
      net.SetLink(from, to, {.cut = clog});
      pause();
    }
  }
  const uint64_t packets = net.counts().cut - before;
  if (packets == 0) return NoEffect("no packet met a clogged link");
  return fmt::format("{} links clogged and opened one by one: {} packets", links.size(), packets);
}

// The machine is gone without a word: its peers keep connections that lead nowhere, and meet the
// new process with them.
absl::StatusOr<std::string> HalfOpen(Lab& lab) {
  const size_t node = lab.Draw(1, true).front();
  std::string killed;
  auto evidence =
      Disturb(lab, "connections left half open", &PacketCounts::cut, [&](VirtualNet& net) {
        for (size_t other = 0; other <= net.size(); ++other) {
          if (other != node) net.SetPair(node, other, kCut);
        }
        killed = lab.Kill(node);
      });
  lab.cluster().Start(node);
  if (!evidence.ok()) return evidence;
  return killed + ", " + *evidence;
}

// ---- Bad links -------------------------------------------------------------------------

absl::StatusOr<std::string> BadLinks(Lab& lab, const std::string& what,
                                     uint64_t PacketCounts::*proof, const LinkRule& rule) {
  return Disturb(lab, what, proof, [&](VirtualNet& net) {
    for (size_t from = 0; from < lab.size(); ++from) {
      for (size_t to = 0; to < lab.size(); ++to) net.SetLink(from, to, rule);
    }
  });
}

absl::StatusOr<std::string> Delay(Lab& lab) {
  return BadLinks(lab, "100±50 ms late", &PacketCounts::delayed,
                  {.delay = absl::Milliseconds(100), .jitter = absl::Milliseconds(50)});
}
absl::StatusOr<std::string> Loss(Lab& lab) {
  return BadLinks(lab, "10 % lost", &PacketCounts::lost, {.loss = 0.1});
}
absl::StatusOr<std::string> Reorder(Lab& lab) {
  return BadLinks(lab, "25 % out of order", &PacketCounts::reordered, {.reorder = 0.25});
}
absl::StatusOr<std::string> Duplicate(Lab& lab) {
  return BadLinks(lab, "20 % doubled", &PacketCounts::duplicated, {.duplicate = 0.2});
}
absl::StatusOr<std::string> Corrupt(Lab& lab) {
  return BadLinks(lab, "5 % damaged", &PacketCounts::corrupted, {.corrupt = 0.05});
}

constexpr Fault kFaults[] = {
    {"partition-minority", kNetwork, PartitionMinority},
    {"isolate-leader", kNetwork, IsolateLeader},
    {"blackhole-leader", kNetwork, BlackholeLeader},
    {"everyone-alone", kNetwork, EveryoneAlone},
    {"mute-leader", kNetwork, MuteLeader},
    {"deaf-leader", kNetwork, DeafLeader},
    {"bridge", kNetwork, Bridge},
    {"ring", kNetwork | kFiveNodes, Ring},
    {"swizzle-clog", kNetwork, SwizzleClog},
    {"half-open", kNetwork, HalfOpen},
    {"delay", kNetwork, Delay},
    {"loss", kNetwork, Loss},
    {"reorder", kNetwork, Reorder},
    {"duplicate", kNetwork, Duplicate},
    {"corrupt", kNetwork, Corrupt},
};

}  // namespace

std::span<const Fault> NetworkFaults() { return kFaults; }

}  // namespace cairn::fault
