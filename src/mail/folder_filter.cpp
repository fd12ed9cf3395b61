#include "mail/folder_filter.h"

#include <fnmatch.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

#include "mailboxfs/base/encoding.h"
#include "mailboxfs/imap/mailbox_name.h"

namespace mailboxfs::mail {
namespace {

// What Outlook names the folders that hold no mail, at the top of a mailbox. Letters as UTF-8; compared without regard
// to the case of ASCII letters.
constexpr std::string_view kNotMail[] = {
    // English.
    "Calendar", "Contacts", "Tasks", "Notes", "Journal", "Outbox", "Conversation History", "Sync Issues", "RSS Feeds",
    "RSS Subscriptions", "Files", "Birthdays", "Suggested Contacts", "Quick Step Settings", "Yammer Root",
    "Conversation Action Settings", "ExternalContacts", "PersonMetadata",
    // German.
    "Kalender", "Kontakte", "Aufgaben", "Notizen", "Journal", "Postausgang", "Aufgezeichnete Unterhaltungen",
    "Synchronisierungsprobleme", "RSS-Feeds", "RSS-Abonnements", "Dateien", "Vorgeschlagene Kontakte",
    "QuickStep-Einstellungen", "Einstellungen für QuickSteps",
    // French.
    "Calendrier", "Tâches", "Carnet d'adresses", "Boîte d'envoi", "Historique des conversations",
    "Historique de conversation", "Problèmes de synchronisation", "Flux RSS", "Fichiers", "Contacts suggérés",
    // Spanish.
    "Calendario", "Contactos", "Tareas", "Notas", "Diario", "Bandeja de salida", "Historial de conversaciones",
    "Problemas de sincronización", "Fuentes RSS", "Archivos", "Contactos sugeridos",
    // Italian.
    "Contatti", "Attività", "Note", "Posta in uscita", "Cronologia conversazioni", "Problemi di sincronizzazione",
    "Feed RSS", "Contatti suggeriti",
    // Dutch.
    "Agenda", "Contactpersonen", "Taken", "Notities", "Logboek", "Postvak UIT", "Gespreksgeschiedenis",
    "Synchronisatieproblemen", "RSS-feeds", "Bestanden", "Voorgestelde contactpersonen",
    // Portuguese.
    "Calendário", "Contatos", "Contactos", "Tarefas", "Anotações", "Diário", "Caixa de Saída", "A Enviar",
    "Histórico de Conversas", "Histórico de Conversações", "Problemas de Sincronização", "RSS Feeds", "Ficheiros",
    // Swedish, Danish, Norwegian, Finnish.
    "Kontakter", "Uppgifter", "Anteckningar", "Utkorg", "Konversationshistorik", "Synkroniseringsproblem", "RSS-feeds",
    "Opgaver", "Noter", "Udbakke", "Samtaleoversigt", "Synkroniseringsproblemer", "RSS-kilder", "Oppgaver", "Notater",
    "Utboks", "Samtalelogg", "Synkroniseringsproblemer", "Kalenteri", "Yhteystiedot", "Tehtävät", "Muistiinpanot",
    "Päiväkirja", "Lähtevät", "Keskusteluhistoria", "Synkronointiongelmat", "RSS-syötteet",
    // Polish, Czech, Hungarian, Turkish, Russian.
    "Kalendarz", "Kontakty", "Zadania", "Notatki", "Dziennik", "Skrzynka nadawcza", "Historia konwersacji",
    "Problemy z synchronizacją", "Źródła danych RSS", "Kalendář", "Úkoly", "Poznámky", "Deník", "Pošta k odeslání",
    "Historie konverzací", "Potíže se synchronizací", "Naptár", "Névjegyalbum", "Feladatok", "Feljegyzések", "Napló",
    "Postázandó üzenetek", "Beszélgetések előzményei", "Szinkronizálási problémák", "Takvim", "Kişiler", "Görevler",
    "Notlar", "Günlük", "Giden Kutusu", "Konuşma Geçmişi", "Eşitleme Sorunları", "Календарь", "Контакты", "Задачи",
    "Заметки", "Дневник", "Исходящие", "Журнал бесед", "Ошибки синхронизации", "RSS-каналы",
    // Japanese, Chinese, Korean.
    "予定表", "連絡先", "タスク", "メモ", "履歴", "送信トレイ", "会話の履歴", "同期の失敗", "RSS フィード", "日历",
    "联系人", "任务", "便笺", "日记", "发件箱", "对话历史记录", "同步问题", "RSS 源", "行事曆", "連絡人", "工作",
    "記事", "日誌", "寄件匣", "交談記錄", "同步處理問題", "RSS 摘要", "일정", "연락처", "작업", "메모", "업무 일지",
    "보낼 편지함", "대화 내용", "동기화 문제", "RSS 피드"};

bool Matches(const std::vector<std::string>& patterns, const model::FolderInfo& folder) {
  std::string path;
  for (const model::FolderInfo::Component& part : folder.path) {
    path += (path.empty() ? "" : "/") + part.text;
    const auto matches = [&](const std::string& pattern) { return ::fnmatch(pattern.c_str(), path.c_str(), 0) == 0; };
    if (std::any_of(patterns.begin(), patterns.end(), matches)) return true;
  }
  return false;
}

bool HasAttribute(const model::FolderInfo& folder, std::string_view name) {
  return std::find(folder.attributes.begin(), folder.attributes.end(), name) != folder.attributes.end();
}

}  // namespace

bool IsHidden(const model::FolderInfo& folder, const model::ServerProfile& profile, const FolderRules& rules) {
  if (folder.unlisted || folder.path.empty() || imap::IsInbox(folder.id)) return false;
  if (Matches(rules.include, folder)) return false;
  if (Matches(rules.exclude, folder)) return true;
  if (profile.name == "gmail") return HasAttribute(folder, "all");
  if (profile.name != "exchange") return false;
  const std::string_view top = folder.path.front().text;
  return std::any_of(std::begin(kNotMail), std::end(kNotMail),
                     [top](std::string_view name) { return base::EqualsIgnoreCase(name, top); });
}

}  // namespace mailboxfs::mail
