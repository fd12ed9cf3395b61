#include "mail/outlook_names.h"

#include <algorithm>
#include <array>
#include <iterator>

#include "mailboxfs/model/text.h"

namespace mailboxfs::mail {
namespace {

constexpr size_t kProof = 3;

// Names of one folder are separated by `|`.
struct Language {
  // Calendar, contacts, tasks, notes, journal, outbox: those that every mailbox has.
  std::array<std::string_view, 6> common;
  // Attachments, history of conversations, troubles of synchronization, RSS, and the like.
  std::string_view others = {};
};

constexpr Language kLanguages[] = {
    // English.
    {{"Calendar", "Contacts", "Tasks", "Notes", "Journal", "Outbox"},
     "Files|Conversation History|Sync Issues|RSS Feeds|RSS Subscriptions|Suggested Contacts"},
    // German.
    {{"Kalender", "Kontakte", "Aufgaben", "Notizen", "Journal", "Postausgang"},
     "Dateien|Aufgezeichnete Unterhaltungen|Unterhaltungsverlauf|Verlauf der "
     "Unterhaltung|Synchronisierungsprobleme|RSS-Feeds|"
     "RSS-Abonnements|Vorgeschlagene Kontakte|QuickStep-Einstellungen|Einstellungen für QuickSteps"},
    // French.
    {{"Calendrier", "Contacts|Carnet d'adresses", "Tâches", "Notes", "Journal", "Boîte d'envoi"},
     "Fichiers|Historique des conversations|Historique de conversation|Problèmes de synchronisation|Flux RSS|Contacts "
     "suggérés"},
    // Spanish.
    {{"Calendario", "Contactos", "Tareas", "Notas", "Diario", "Bandeja de salida"},
     "Historial de conversaciones|Problemas de sincronización|Fuentes RSS|Contactos sugeridos"},
    // Italian.
    {{"Calendario", "Contatti", "Attività", "Note", "Diario", "Posta in uscita"},
     "Cronologia conversazioni|Problemi sincronizzazione|Problemi di sincronizzazione|Feed RSS|Contatti "
     "suggeriti"},
    // Dutch.
    {{"Agenda", "Contactpersonen", "Taken", "Notities", "Logboek", "Postvak UIT"},
     "Bestanden|Gespreksgeschiedenis|Synchronisatieproblemen|RSS-feeds|Voorgestelde contactpersonen"},
    // Portuguese.
    {{"Calendário", "Contatos|Contactos", "Tarefas", "Anotações|Notas", "Diário", "Caixa de Saída|A Enviar"},
     "Ficheiros|Histórico de Conversas|Histórico de Conversações|Problemas de Sincronização|RSS Feeds|Feeds "
     "RSS"},
    // Galician.
    {{"Calendario", "Contactos", "Tarefas", "Notas", "Diario", "Caixa de saída"}},
    // Catalan.
    {{"Calendari", "Contactes", "Tasques", "Notes", "Diari", "Safata de sortida|Bústia de sortida"}},
    // Basque.
    {{"Egutegia", "Kontaktuak", "Zereginak|Atazak", "Oharrak", "Egunkaria", "Irteerako ontzia|Irteera-ontzia"}},
    // Swedish.
    {{"Kalender", "Kontakter", "Uppgifter", "Anteckningar", "Journal", "Utkorg|Utkorgen"},
     "Filer|Konversationshistorik|Synkroniseringsproblem|RSS-feeds|RSS-flöden"},
    // Danish.
    {{"Kalender", "Kontakter|Kontaktpersoner", "Opgaver", "Noter", "Journal", "Udbakke"},
     "Filer|Samtaleoversigt|Synkroniseringsproblemer|RSS-kilder|RSS-feeds"},
    // Norwegian.
    {{"Kalender", "Kontakter", "Oppgaver", "Notater", "Journal|Logg", "Utboks"},
     "Filer|Samtalelogg|Synkroniseringsproblemer|RSS-feeder|RSS-kilder"},
    // Finnish.
    {{"Kalenteri", "Yhteystiedot", "Tehtävät", "Muistiinpanot|Huomautukset", "Päiväkirja", "Lähtevät"},
     "Tiedostot|Keskusteluhistoria|Synkronointiongelmat|RSS-syötteet"},
    // Icelandic.
    {{"Dagatal", "Tengiliðir", "Verkefni|Verk", "Minnismiðar|Athugasemdir", "Dagbók", "Úthólf"}},
    // Polish.
    {{"Kalendarz", "Kontakty", "Zadania", "Notatki", "Dziennik", "Skrzynka nadawcza"},
     "Pliki|Historia konwersacji|Problemy z synchronizacją|Źródła danych RSS|Kanały informacyjne RSS"},
    // Czech.
    {{"Kalendář", "Kontakty", "Úkoly", "Poznámky", "Deník", "Pošta k odeslání"},
     "Soubory|Historie konverzací|Historie konverzace|Potíže se synchronizací|Problémy se synchronizací|Informační "
     "kanály RSS"},
    // Slovak.
    {{"Kalendár", "Kontakty", "Úlohy", "Poznámky", "Denník", "Pošta na odoslanie"},
     "Súbory|História konverzácií|Problémy so synchronizáciou|Informačné kanály RSS"},
    // Slovenian.
    {{"Koledar", "Stiki", "Opravila", "Opombe|Beležke", "Dnevnik", "Pošta v odhodu|Odhodna pošta"}},
    // Croatian and Serbian.
    {{"Kalendar", "Kontakti", "Zadaci", "Bilješke|Beleške", "Dnevnik", "Izlazna pošta|Odlazna pošta"}},
    {{"Календар", "Контакти", "Задаци", "Белешке", "Дневник", "Одлазна пошта"}},
    // Hungarian.
    {{"Naptár", "Névjegyalbum|Névjegyek|Partnerek", "Feladatok", "Feljegyzések|Jegyzetek", "Napló",
      "Postázandó üzenetek"},
     "Fájlok|Beszélgetések előzményei|Szinkronizálási problémák|RSS-hírcsatornák"},
    // Romanian, with comma and with cedilla.
    {{"Calendar", "Persoane de contact|Contacte", "Activități|Activităţi|Sarcini", "Note", "Jurnal",
      "Ieșire|Ieşire|Mesaje de ieșire|Mesaje de ieşire"}},
    // Bulgarian.
    {{"Календар", "Контакти", "Задачи", "Бележки", "Дневник", "Изходящи|Изходяща кутия|Изходящи съобщения"}},
    // Russian.
    {{"Календарь", "Контакты", "Задачи", "Заметки", "Дневник", "Исходящие"},
     "Файлы|Журнал бесед|История бесед|История разговоров|Ошибки синхронизации|Проблемы синхронизации|RSS-каналы"},
    // Ukrainian.
    {{"Календар", "Контакти", "Завдання", "Нотатки", "Щоденник|Журнал", "Вихідні"},
     "Файли|Журнал бесід|Журнал розмов|Проблеми синхронізації|RSS-канали"},
    // Kazakh.
    {{"Күнтізбе", "Контактілер", "Тапсырмалар", "Жазбалар|Ескертпелер", "Журнал", "Шығыс"}},
    // Greek.
    {{"Ημερολόγιο", "Επαφές", "Εργασίες", "Σημειώσεις", "Χρονικό|Ημερολόγιο καταγραφής", "Εξερχόμενα"},
     "Αρχεία|Ιστορικό συνομιλιών|Ζητήματα συγχρονισμού|Προβλήματα συγχρονισμού|Τροφοδοσίες RSS"},
    // Turkish.
    {{"Takvim", "Kişiler", "Görevler", "Notlar", "Günlük", "Giden Kutusu"},
     "Dosyalar|Konuşma Geçmişi|Eşitleme Sorunları|RSS Akışları"},
    // Estonian, Latvian, Lithuanian.
    {{"Kalender", "Kontaktid", "Ülesanded", "Märkmed", "Päevik", "Väljuvad|Väljakast|Väljuvad kirjad"}},
    {{"Kalendārs", "Kontaktpersonas", "Uzdevumi", "Piezīmes", "Žurnāls", "Izsūtne"}},
    {{"Kalendorius", "Kontaktai|Adresatai", "Užduotys", "Pastabos", "Žurnalas", "Siunčiamieji"}},
    // Hebrew.
    {{"לוח שנה", "אנשי קשר", "משימות", "הערות|פתקים", "יומן", "דואר יוצא|תיבת דואר יוצא"}},
    // Arabic, Persian.
    {{"التقويم", "جهات الاتصال", "المهام", "الملاحظات", "دفتر اليومية", "علبة الصادر|صندوق الصادر"}},
    {{"تقویم", "مخاطبین|افراد", "کارها|وظایف", "یادداشت‌ها", "دفتر روزنامه", "صندوق خروجی"}},
    // Hindi.
    {{"कैलेंडर", "संपर्क", "कार्य", "नोट्स", "जर्नल", "आउटबॉक्स"}},
    // Thai, Vietnamese.
    {{"ปฏิทิน", "ที่ติดต่อ|บุคคล", "งาน", "บันทึกย่อ", "สมุดบันทึก", "กล่องขาออก|จดหมายออก"}},
    {{"Lịch", "Liên hệ", "Nhiệm vụ|Tác vụ", "Ghi chú", "Nhật ký", "Hộp thư đi"}},
    // Indonesian, Malay.
    {{"Kalender", "Kontak", "Tugas", "Catatan", "Jurnal", "Kotak Keluar"}},
    {{"Kalendar", "Kenalan", "Tugas", "Nota", "Jurnal", "Peti Keluar"}},
    // Japanese, Korean.
    {{"予定表", "連絡先", "タスク|仕事", "メモ", "履歴", "送信トレイ"},
     "ファイル|会話の履歴|同期の失敗|同期の問題|RSS フィード"},
    {{"일정", "연락처", "작업", "메모", "업무 일지|저널", "보낼 편지함"}, "파일|대화 내용|동기화 문제|RSS 피드"},
    // Chinese, simplified and traditional.
    {{"日历", "联系人", "任务", "便笺|笔记", "日记", "发件箱"}, "文件|对话历史记录|同步问题|RSS 源"},
    {{"行事曆", "連絡人", "工作", "記事|附註", "日誌", "寄件匣"}, "檔案|交談記錄|同步處理問題|RSS 摘要"},
};

// What programs have left there, never translated.
constexpr std::string_view kEverywhere =
    "Quick Step Settings|Conversation Action Settings|ExternalContacts|PersonMetadata|Yammer Root";

std::string Fold(std::string_view name) {
  constexpr std::string_view kCurly = "\xE2\x80\x99";
  std::string folded = model::FoldCase(name);
  for (size_t at = 0; (at = folded.find(kCurly, at)) != std::string::npos;) folded.replace(at, kCurly.size(), "'");
  return folded;
}

void AddNames(std::string_view list, std::vector<std::string>* names) {
  while (!list.empty()) {
    const size_t end = std::min(list.find('|'), list.size());
    names->push_back(Fold(list.substr(0, end)));
    list.remove_prefix(std::min(end + 1, list.size()));
  }
}

bool Has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool IsThere(std::string_view list, const std::vector<std::string>& top) {
  std::vector<std::string> names;
  AddNames(list, &names);
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) { return Has(top, name); });
}

size_t CountOf(const Language& language, const std::vector<std::string>& top) {
  return static_cast<size_t>(std::count_if(language.common.begin(), language.common.end(),
                                           [&](std::string_view list) { return IsThere(list, top); }));
}

}  // namespace

OutlookNames::OutlookNames(std::span<const std::string_view> top) {
  std::vector<std::string> folded;
  std::transform(top.begin(), top.end(), std::back_inserter(folded), Fold);
  size_t most = kProof;
  for (const Language& language : kLanguages) most = std::max(most, CountOf(language, folded));
  for (const Language& language : kLanguages) {
    if (CountOf(language, folded) != most) continue;
    for (const std::string_view list : language.common) AddNames(list, &names_);
    AddNames(language.others, &names_);
  }
  if (!names_.empty()) AddNames(kEverywhere, &names_);
}

bool OutlookNames::Contains(std::string_view name) const { return !names_.empty() && Has(names_, Fold(name)); }

}  // namespace mailboxfs::mail
