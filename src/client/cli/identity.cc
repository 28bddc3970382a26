// keygen, key, version: who one is, and what this program is.
#include "client/cli/commands.h"
#include "client/cli/render.h"

namespace anchorhold::client {
namespace {

Status RunKeygen(const App& app) {
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(const auto key, home.CreateKey());
  const std::string fingerprint = crypto::FingerprintOf(key).hex();
  if (app.json()) {
    app.PrintJson(
        {{"fingerprint", fingerprint}, {"public_key", key.hex()}, {"path", home.key_path()}});
    return Ok();
  }
  app.Print(FactLines({{"fingerprint", fingerprint}, {"key", home.key_path()}}) +
            "Give the fingerprint to whoever grants you something. Keep a copy of the key: nobody "
            "can make\nit again, and datasets and jobs belong to it.\n");
  return Ok();
}

Status RunKey(const App& app) {
  AH_ASSIGN_OR_RETURN(const Home home, app.FindHome());
  AH_ASSIGN_OR_RETURN(const auto key, home.LoadKey());
  const std::string fingerprint = crypto::FingerprintOf(key.public_key()).hex();
  if (app.json()) {
    app.PrintJson({{"fingerprint", fingerprint},
                   {"public_key", key.public_key().hex()},
                   {"path", home.key_path()}});
  }
  app.Print(FactLines({{"fingerprint", fingerprint}, {"key", home.key_path()}}));
  return Ok();
}

}  // namespace

void AddIdentityCommands(App& app, CLI::App& cli) {
  CLI::App* const keygen = app.AddCommand(
      cli, "keygen", "Make your key: the identity under which you own datasets and jobs.",
      "anchorhold keygen --home ~/cancer-centre", [&app] { return RunKeygen(app); });
  app.AddHomeOption(keygen);
  app.AddJsonOption(keygen);

  CLI::App* const key = app.AddCommand(
      cli, "key", "Print the fingerprint of your key, for others to grant you things.",
      "anchorhold key --json", [&app] { return RunKey(app); });
  app.AddHomeOption(key);
  app.AddJsonOption(key);
}

void AddVersionCommand(App& app, CLI::App& cli) {
  CLI::App* const version = app.AddCommand(cli, "version", "Print the version of this program.",
                                           "anchorhold version", [&app] {
                                             app.Print("anchorhold " ANCHORHOLD_VERSION "\n");
                                             if (app.json())
                                               app.PrintJson({{"version", ANCHORHOLD_VERSION}});
                                             return Ok();
                                           });
  app.AddJsonOption(version);
}

}  // namespace anchorhold::client
