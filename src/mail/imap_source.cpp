#include "mailboxfs/mail/imap_source.h"

#include <map>
#include <utility>
#include <vector>

#include "mail/ahead_command.h"
#include "mail/body_command.h"
#include "mail/fetcher.h"
#include "mail/refresh_command.h"
#include "mailboxfs/base/encoding.h"
#include "mailboxfs/base/log.h"

namespace mailboxfs::mail {
namespace {

class ListWork final : public Work {
 public:
  ListWork(std::vector<std::string> known, model::MailSource::FolderListDone done)
      : Work("listing the folders", ""), known_(std::move(known)), done_(std::move(done)) {}

  void Run(Connection& connection, const std::function<void()>& between_batches) override {
    folders_ = connection.ListFolders(known_, between_batches);
  }
  void Done(base::Status status) override {
    if (status) {
      done_(std::move(*status));
    } else {
      done_(std::move(folders_));
    }
  }

 private:
  const std::vector<std::string> known_;
  const model::MailSource::FolderListDone done_;
  std::vector<model::FolderInfo> folders_;
};

class RefreshWork final : public Work {
 public:
  RefreshWork(model::RefreshRequest request, std::shared_ptr<model::RefreshSink> sink, model::MailSource::Done done)
      : Work(base::Format("listing folder {}", base::Printable(request.folder_id)), request.folder_id),
        request_(std::move(request)),
        sink_(std::move(sink)),
        done_(std::move(done)) {}

  void Run(Connection& connection, const std::function<void()>& between_batches) override {
    RefreshCommand(connection, request_, *sink_, memory_, between_batches).Run();
  }
  void Done(base::Status status) override { done_(std::move(status)); }
  bool MadeProgress() const override { return memory_.MadeProgress(); }

 private:
  const model::RefreshRequest request_;
  const std::shared_ptr<model::RefreshSink> sink_;
  const model::MailSource::Done done_;
  RefreshMemory memory_;
};

class BodyWork final : public Work {
 public:
  BodyWork(model::BodyRequest request, std::shared_ptr<model::BodySink> sink, model::MailSource::Done done)
      : Work(base::Format("fetching UID {} in folder {}", request.uid, base::Printable(request.folder_id)),
             request.folder_id),
        request_(std::move(request)),
        sink_(std::move(sink)),
        done_(std::move(done)) {}

  void Run(Connection& connection, const std::function<void()>& /*between_batches*/) override {
    MailboxState& mailbox = connection.context().mailbox;
    BodyCommand command(connection, request_, *sink_);
    try {
      command.Run();
    } catch (...) {
      const base::Error error = base::CurrentError();
      if (!IsToBlame(connection, command, error)) throw;
      throw base::Error(
          base::ErrorKind::kMessageFailed,
          base::Format("{}; not for the first time, while other messages can be read ({})", error.what(), what()));
    }
    mailbox.OnBodyFetched();
    mailbox.suspects().OnFetched(request_);
    if (request_.size && command.received()) NoteSize(connection, *request_.size, *command.received());
  }
  void Done(base::Status status) override { done_(std::move(status)); }
  bool bulk() const override { return true; }

 private:
  bool IsToBlame(Connection& connection, const BodyCommand& command, const base::Error& error) const {
    const bool refused = command.doubtful_refusal();
    const bool broke = connection.broken() && !connection.told_why() && command.received() &&
                       (error.kind() == base::ErrorKind::kNetwork || error.kind() == base::ErrorKind::kProtocol);
    if (!broke && !refused) return false;
    MailboxState& mailbox = connection.context().mailbox;
    const uint64_t place = refused ? Suspects::kRefused : *command.received();
    return mailbox.suspects().OnTrouble(request_, place, mailbox.bodies_fetched(),
                                        connection.context().environment.clock.Now());
  }

  // What is exact until it is found wrong once: somebody may rely on it.
  static void NoteSize(Connection& connection, uint64_t told, uint64_t real) {
    if (told != real && connection.exact_sizes()) {
      base::LogInfo("{}: the server said {} bytes and sent {}: its sizes count as estimates from now on",
                    connection.context().options.name, told, real);
    }
    connection.context().mailbox.governor().OnSize(told == real);
  }

  const model::BodyRequest request_;
  const std::shared_ptr<model::BodySink> sink_;
  const model::MailSource::Done done_;
};

class AheadWork final : public Work {
 public:
  explicit AheadWork(std::vector<model::AheadRequest> bodies)
      : Work(base::Format("reading ahead in folder {}", base::Printable(bodies.front().body.folder_id)),
             bodies.front().body.folder_id) {
    for (model::AheadRequest& one : bodies) wanted_.emplace(one.body.uid, std::move(one));
  }

  void Run(Connection& connection, const std::function<void()>& /*between_batches*/) override {
    AheadCommand(connection, wanted_).Run();
  }
  void Done(base::Status status) override {
    // A callback may come to whatever it likes.
    const auto left = std::exchange(wanted_, {});
    for (const auto& [uid, one] : left) {
      one.done(status ? *status : base::Error(base::ErrorKind::kServer, "the server gave no body for it"));
    }
  }
  bool bulk() const override { return true; }
  bool once() const override { return true; }

 private:
  std::map<model::Uid, model::AheadRequest> wanted_;
};

class ImapSource final : public model::MailSource {
 public:
  ImapSource(ImapOptions options, const ImapEnvironment& environment)
      : fetcher_(std::make_shared<Fetcher>(std::move(options), environment)) {
    fetcher_->governor().Join(fetcher_);
  }
  ~ImapSource() override { fetcher_->Shutdown(); }
  ImapSource(const ImapSource&) = delete;
  ImapSource& operator=(const ImapSource&) = delete;

  std::shared_ptr<model::Task> ListFolders(std::vector<std::string> known, model::Priority priority,
                                           FolderListDone done) override {
    return fetcher_->Submit(std::make_unique<ListWork>(std::move(known), std::move(done)), priority);
  }
  std::shared_ptr<model::Task> Refresh(const model::RefreshRequest& request, std::shared_ptr<model::RefreshSink> sink,
                                       model::Priority priority, Done done) override {
    return fetcher_->Submit(std::make_unique<RefreshWork>(request, std::move(sink), std::move(done)), priority);
  }
  std::shared_ptr<model::Task> FetchBody(const model::BodyRequest& request, std::shared_ptr<model::BodySink> sink,
                                         model::Priority priority, Done done) override {
    return fetcher_->Submit(std::make_unique<BodyWork>(request, std::move(sink), std::move(done)), priority);
  }
  std::shared_ptr<model::Task> FetchAhead(std::vector<model::AheadRequest> bodies) override {
    return fetcher_->Submit(std::make_unique<AheadWork>(std::move(bodies)), model::Priority::kReadAhead);
  }
  base::MonoTime LastProgress() const override { return fetcher_->LastProgress(); }
  model::SourceStatus GetStatus() const override { return fetcher_->GetStatus(); }
  void SetChangeListener(ChangeListener listener) override { fetcher_->SetChangeListener(std::move(listener)); }
  void Shutdown() override { fetcher_->Shutdown(); }

 private:
  const std::shared_ptr<Fetcher> fetcher_;
};

}  // namespace

std::unique_ptr<model::MailSource> MakeImapSource(ImapOptions options, const ImapEnvironment& environment) {
  return std::make_unique<ImapSource>(std::move(options), environment);
}

}  // namespace mailboxfs::mail
