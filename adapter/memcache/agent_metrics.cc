#include "adapter/memcache/agent_metrics.h"

#include "adapter/metrics_text.h"

namespace cairn::adapter::memcache {
namespace {

void AddEngine(const MemcacheStatus& agent, MetricsPage* page) {
  page->Gauge("engine_up", "1 while the engine answers.", agent.engine_ready ? 1 : 0);
  page->Gauge("engine_memory_bytes", "Bytes of the engine's items.", agent.engine.memory_bytes);
  page->Gauge("engine_memory_limit_bytes", "What it may use for them.",
              agent.engine.memory_limit_bytes);
  page->Gauge("engine_items", "Items in the engine.", agent.engine.items);
  page->Counter("engine_keyspace_hits_total", "get_hits of the engine.", agent.engine.hits);
  page->Counter("engine_keyspace_misses_total", "get_misses of the engine.", agent.engine.misses);
  page->Counter("engine_evictions_total", "Items that the engine evicted.", agent.engine.evictions);
}

void AddView(const MemcacheStatus& agent, MetricsPage* page) {
  page->Gauge("view_seq", "The view is the fold of the log through this record.", agent.view_seq);
  page->Gauge("view_items", "Items of the view, roughly.", agent.view_items);
  page->Counter("refills_refused_total",
                "Items that the engine had no room to take back, and the view answered for.",
                agent.refills_refused);
  page->Counter("stores_refused_total",
                "Changes that are done, and that the engine had no room for.",
                agent.stores_refused);
  page->Gauge("view_disk_bytes", "Bytes of the view on the disk.", agent.view_disk_bytes);
}

void AddFront(const MemcacheStatus& agent, const FrontStats& front, MetricsPage* page) {
  page->Gauge("clients", "Clients that are connected.", front.clients);
  page->Counter("clients_total", "Clients that have connected.", front.clients_total);
  page->Counter("reads_total", "Requests that the engine answered.", front.reads);
  page->Counter("changes_total", "Requests that went to the writer.", front.changes);
  page->Counter("forwarded_total", "Requests that went to the primary.", front.forwarded);
  page->Counter("rejected_total", "Requests that were malformed, or that nobody served in time.",
                front.rejected);
  page->Counter("error_replies_total",
                "Errors that clients were told: the engine's, the agent's, their own mistakes.",
                front.errors);
  page->Counter("refused_total", "Changes that were refused since the log takes no records.",
                agent.refused);
  page->Gauge("reply_bytes", "Bytes of replies that clients have not taken yet.",
              front.reply_bytes);
  page->Gauge("pending_bytes", "Changes that clients wait for.", agent.pending_bytes);
  page->Gauge("durability_lag_seconds", "Age of the oldest change that is not committed.",
              MetricSeconds(agent.lag_us));
}

}  // namespace

std::string MetricsText(const MemcacheStatus& agent, const FrontStats& front) {
  MetricsPage page;
  page.Agent(agent);
  AddEngine(agent, &page);
  AddView(agent, &page);
  AddFront(agent, front, &page);
  return page.Take();
}

}  // namespace cairn::adapter::memcache
