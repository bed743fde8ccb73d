#include "shared/messages/codec_impl.h"
#include "shared/messages/documents.h"
#include "shared/messages/questions.h"

namespace answermill::messages {

ANSWERMILL_MESSAGE(ExtractPlan);
ANSWERMILL_MESSAGE(ExtractPages);
ANSWERMILL_MESSAGE(EmbedChunks);
ANSWERMILL_MESSAGE(IndexUpsert);
ANSWERMILL_MESSAGE(IndexDelete);
ANSWERMILL_MESSAGE(IndexDrop);
ANSWERMILL_MESSAGE(RecordDocument);
ANSWERMILL_MESSAGE(RecordDelete);
ANSWERMILL_MESSAGE(RecordDrop);
ANSWERMILL_MESSAGE(EmbedQuery);
ANSWERMILL_MESSAGE(EmbedTexts);
ANSWERMILL_MESSAGE(EmbeddedTexts);
ANSWERMILL_MESSAGE(IndexSearch);
ANSWERMILL_MESSAGE(SourcesEvent);
ANSWERMILL_MESSAGE(GenerateAnswer);
ANSWERMILL_MESSAGE(CitationEvent);
ANSWERMILL_MESSAGE(AnswerMeta);
ANSWERMILL_MESSAGE(ReadPage);
ANSWERMILL_MESSAGE(PageText);
ANSWERMILL_MESSAGE(RecordAnswer);

}  // namespace answermill::messages
