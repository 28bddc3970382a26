// endorsements: what a party keeps to appraise hardware without a network: certificates, revocation
// lists, collateral.
#include <memory>

#include "client/cli/commands.h"
#include "client/cli/render.h"
#include "client/core/endorsement_fetch.h"
#include "client/core/endorsement_set.h"
#include "client/core/messages.h"
#include "client/core/presented_evidence.h"

namespace anchorhold::client {
namespace {

using Entries = std::vector<EndorsementCache::Entry>;

std::string Until(const EndorsementCache::Entry& entry, UnixSeconds now) {
  if (!entry.good_until.has_value()) return "cannot be read";
  return FormatTime(*entry.good_until) + (*entry.good_until < now ? " (over)" : "");
}

Json EntriesJson(const Entries& entries, UnixSeconds now) {
  Json out = Json::array();
  for (const auto& entry : entries) {
    out.push_back({{"kind", entry.kind},
                   {"set", entry.set},
                   {"role", entry.role},
                   {"good_until", entry.good_until.has_value() ? Json(FormatTime(*entry.good_until))
                                                               : Json(nullptr)},
                   {"current", entry.good_until.has_value() && now <= *entry.good_until},
                   {"path", entry.path}});
  }
  return out;
}

std::string EntriesText(const Entries& entries, UnixSeconds now) {
  std::string out;
  std::string machine;
  for (const auto& entry : entries) {
    const std::string next = OneLine(entry.kind + ", machine " + entry.set);
    if (next != machine) out += next + "\n";
    machine = next;
    out += FactLines({{"  " + OneLine(entry.role), "good until " + Until(entry, now)}});
  }
  return out;
}

Status RunList(const App& app) {
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(const Entries entries, EndorsementCache(home.endorsements_folder()).List());
  const UnixSeconds now = app.clock().Now();
  if (app.json()) app.PrintJson({{"endorsements", EntriesJson(entries, now)}});
  app.Print(entries.empty() ? "Nothing is kept in " + home.endorsements_folder() + ".\n"
                            : EntriesText(entries, now));
  return Ok();
}

struct FetchOptions {
  std::string server;
  std::string from;
  EndorsementService service;
  bool insecure_http_service = false;
  bool addresses = false;
};

// Where the files are that belong to the machine, for somebody who gets them elsewhere.
Status ShowAddresses(const App& app, const PresentedEvidence& presented) {
  AH_ASSIGN_OR_RETURN(const auto choices, EndorsementChoices(*presented.kind, presented.files));
  Json json = Json::array();
  std::string text;
  for (const EndorsementOrigins& origins : choices) {
    if (!text.empty()) text += "or, if that is not there:\n";
    for (const EndorsementOrigin& origin : origins) {
      json.push_back({{"role", origin.role}, {"url", origin.url}, {"header", origin.header}});
      text += FactLines({{origin.role, origin.Text()}}, 10 * kScreenColumns);
    }
  }
  if (app.json()) app.PrintJson({{"addresses", json}});
  app.Print(text);
  return Ok();
}

Status RunFetch(const App& app, const FetchOptions& options) {
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(const PresentedEvidence presented, AskForEvidence(home, options.server));
  if (options.addresses) return ShowAddresses(app, presented);
  const UnixSeconds now = app.clock().Now();
  const EndorsementCache cache(home.endorsements_folder());
  Result<Entries> entries = Entries();
  if (options.from.empty()) {
    EndorsementService service = options.service;
    if (options.insecure_http_service) service.plain = PlainHttp::kAllow;
    entries = FetchEndorsements(cache, service, now, *presented.kind, presented.files);
  } else {
    entries = cache.TakeFrom(options.from, now, *presented.kind, presented.files);
  }
  if (!entries.ok()) return entries.error();
  if (app.json()) app.PrintJson({{"endorsements", EntriesJson(*entries, now)}});
  app.Print("Kept, to be verified at every appraisal:\n" + EntriesText(*entries, now));
  return Ok();
}

void AddFetchOptions(CLI::App* fetch, FetchOptions& options) {
  fetch
      ->add_option("--server", options.server,
                   "Address of the enclave. Default: the one that 'anchorhold attest' accepted "
                   "last.")
      ->type_name("HOST:PORT");
  CLI::Option* const from =
      fetch
          ->add_option("--from", options.from,
                       "Folder with the files, each called by its role (vek.der, crl.der, ...), or "
                       "a copy of another party's endorsements folder. Nothing is downloaded.")
          ->type_name("DIR");
  CLI::Option* const service =
      fetch
          ->add_option("--service", options.service.url,
                       "A mirror to download from, with the vendors' paths below it. Default: "
                       "AMD's and Intel's own services.")
          ->type_name("URL")
          ->excludes(from);
  fetch
      ->add_flag("--insecure-http-service", options.insecure_http_service,
                 "Let --service begin with http://. Whoever is on the way can withhold the files "
                 "and see which machine you ask about.")
      ->needs(service);
  fetch
      ->add_flag("--addresses", options.addresses,
                 "Only say where each file is, to get them on another machine for --from.")
      ->excludes(from)
      ->excludes(service);
}

}  // namespace

void AddEndorsementsCommands(App& app, CLI::App& cli) {
  CLI::App* const group = app.AddGroup(
      cli, "endorsements", "Keep the certificates and collateral that hardware is appraised with.");
  const auto options = std::make_shared<FetchOptions>();
  CLI::App* const fetch = app.AddCommand(
      *group, "fetch",
      "Get and keep what belongs to the machine that a server runs on: by HTTPS from AMD or Intel, "
      "or from a folder. Nothing is sent to the server; what is kept is verified at every "
      "appraisal, and good until its own date.",
      "anchorhold endorsements fetch --server 127.0.0.1:7641",
      [&app, options] { return RunFetch(app, *options); });
  AddFetchOptions(fetch, *options);
  app.AddHomeOption(fetch);
  app.AddJsonOption(fetch);
  CLI::App* const list =
      app.AddCommand(*group, "list", "Show what is kept, and until when it is good.",
                     "anchorhold endorsements list --json", [&app] { return RunList(app); });
  app.AddHomeOption(list);
  app.AddJsonOption(list);
}

}  // namespace anchorhold::client
