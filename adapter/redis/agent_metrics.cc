#include "adapter/redis/agent_metrics.h"

#include <fmt/format.h>

#include <string_view>

#include "adapter/metrics_text.h"
#include "base/clock.h"

namespace cairn::adapter::redis {
namespace {

void AddEngine(const RedisStatus& agent, MetricsPage* text) {
  text->Gauge("engine_up", "1 while the engine answers.", agent.engine_ready ? 1 : 0);
  text->Gauge("engine_too_old",
              "1 while the log has records that only a newer engine may be given.",
              agent.engine_too_old ? 1 : 0);
  text->Gauge("engine_memory_bytes", "used_memory of the engine.", agent.engine.memory_bytes);
  text->Counter("engine_evicted_keys_total", "evicted_keys of the engine.",
                agent.engine.evicted_keys);
  text->Counter("engine_keyspace_hits_total", "keyspace_hits of the engine.", agent.engine.hits);
  text->Counter("engine_keyspace_misses_total", "keyspace_misses of the engine.",
                agent.engine.misses);
}

void AddFront(const FrontStats& front, MetricsPage* text) {
  text->Gauge("clients", "Clients that are connected.", front.clients);
  text->Gauge("backend_connections", "Connections of clients' commands to the engine.",
              front.backends);
  text->Counter("requests_total", "Commands of clients.", front.requests);
  text->Counter("writes_refused_total", "Writes refused before they reached the engine.",
                front.writes_refused);
  text->Counter("clients_cut_total",
                "Clients cut because a reply could not be given, or was not read.",
                front.clients_cut);
  text->Gauge("held_replies", "Replies that wait for their commit.", front.held_replies);
  text->Gauge("held_bytes", "Bytes of replies that wait, for that or for their client to read.",
              front.held_bytes);
  text->Gauge("durability_lag_bytes", "What of the engine's effects is not committed.",
              front.lag_bytes);
  text->Gauge("durability_lag_seconds", "Age of the oldest of it.", MetricSeconds(front.lag_us));
  text->Histogram("hold_seconds", "How long replies waited for their commit.", front.held);
}

void AddSlots(const SlotCounts& slots, MetricsPage* text) {
  text->Counter("slot_moves_in_total", "Moves of slots to this agent's log that it has committed.",
                slots.moves_in);
  text->Counter("slot_moves_out_total", "Moves of slots away that it has finished.",
                slots.moves_out);
  text->Counter("slot_moves_withdrawn_total", "Cuts of moves that took too long.", slots.withdrawn);
  text->Counter("slot_keys_copied_total", "Keys written for moves to this agent's log.",
                slots.keys_copied);
  text->Counter("slot_bytes_copied_total", "Their bytes.", slots.bytes_copied);
  text->Gauge("slot_hold_seconds", "How long calls have waited for moves away, together.",
              MetricSeconds(slots.held_us));
}

}  // namespace

std::string MetricsText(const RedisStatus& agent, const FrontStats& front) {
  MetricsPage text;
  text.Agent(agent);
  AddEngine(agent, &text);
  AddFront(front, &text);
  AddSlots(agent.slots, &text);
  return text.Take();
}

}  // namespace cairn::adapter::redis
