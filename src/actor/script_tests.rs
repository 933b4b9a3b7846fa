//! Scripts: which rule answers, how its reply is filled in, and which texts are refused.

use std::sync::Arc;

use dramatis_protocol::Id;
use serde_json::json;

use super::*;
use crate::record::ToolAnswer;

fn cue(text: &str) -> Cue {
    let mut cue = crate::actor::cue_from_messages(&[]);
    cue.agent = "maren_1".to_owned();
    cue.name = "Maren".to_owned();
    cue.speaker = Some("Tom & \"Li\"".to_owned());
    cue.text = Some(text.to_owned());
    Cue { vocabulary: Arc::clone(&cue.vocabulary), ..cue }
}

fn texts(script: &Script, cue: &Cue) -> Option<String> {
    let steps = script.find(cue)?.steps?;
    let text = steps.into_iter().map(|step| match step.piece {
        Piece::Text(text) => text,
        Piece::Reasoning(text) => format!("({text})"),
        Piece::Call { name, arguments } => format!("{name}{arguments}"),
    });
    Some(text.collect())
}

#[test]
fn the_builtin_script_plays_faults_over_improvisation() {
    let script = Script::parse(BUILTIN, "builtin.yaml").unwrap();
    let found = script.find(&cue("Would you !stall, please?")).unwrap();
    assert_eq!((found.steps.as_ref(), found.faults.as_slice()), (None, &[Fault::StallMidway][..]));
    let plan = found.into_plan(|| Plan::text("improvised"));
    assert_eq!((plan.steps.len(), plan.has(Fault::StallMidway)), (1, true));
    assert!(script.find(&cue("Hello")).is_none());
    assert_eq!(Script::builtin().rules.len(), script.rules.len());
}

#[test]
fn conditions_must_all_hold() {
    let check = |when: &str, cue: &Cue, expected: bool| {
        let yaml = format!("rules:\n  - when: {{ {when} }}\n    reply: x\n");
        let script = Script::parse(&yaml, "test").unwrap();
        assert_eq!(script.find(cue).is_some(), expected, "{when}");
    };
    let said = cue("Is there any ALE left?");
    check("", &said, true);
    check("text: ale", &said, true);
    check("text: \"ale*\"", &said, false);
    check("text: \"*ale*\"", &said, true);
    check("text: \"is*any*left?\"", &said, true);
    check("text: \"*left?*left?\"", &said, false);
    check("text: [wine, ale]", &said, true);
    check("text: [wine, beer]", &said, false);
    check("agent: maren, text: ale", &said, true);
    check("agent: MAREN_1", &said, true);
    check("agent: \"maren_*\"", &said, true);
    check("agent: mar", &said, false);
    check("turn: 1", &said, true);
    check("turn: 2", &said, false);
    check("event: greeting", &said, false);
    check("tool: serve", &said, false);

    let entered = Cue { event_type: Some("player_entered".to_owned()), text: None, ..cue("") };
    check("event: \"player_*\"", &entered, true);
    check("text: \"*\"", &entered, true);

    let answer = ToolAnswer {
        turn_id: Id::from("t"),
        tag_id: 0,
        tool: Id::from("serve"),
        call_id: None,
        ok: true,
        output: json!({"message": "one ale"}),
    };
    let answered = Cue { tool_answers: vec![answer], ..cue("ale") };
    check("tool: serve", &answered, true);
    check("tool: \"*\"", &answered, true);
    check("text: ale", &answered, false);
}

#[test]
fn a_reply_has_many_shapes_and_is_filled_in() {
    let yaml = r#"
rules:
  - when: { text: one }
    reply: "{name} {agent} {nobody} { {text}"
  - when: { text: two }
    reply:
      - { reasoning: "for {speaker}" }
      - { call: give, arguments: { to: "{speaker}", count: 2 }, delay_ms: 5 }
    finish: length
    fault: [429, comments]
"#;
    let script = Script::parse(yaml, "test").unwrap();
    assert_eq!(texts(&script, &cue("one <b>")).unwrap(), "Maren maren_1 {nobody} { one &lt;b&gt;");
    let found = script.find(&cue("two")).unwrap();
    assert_eq!(found.finish.as_deref(), Some("length"));
    assert_eq!(found.faults, ["429".parse().unwrap(), Fault::Comments]);
    let steps = found.steps.unwrap();
    assert_eq!(steps[0].piece, Piece::Reasoning("for Tom & \"Li\"".to_owned()));
    let arguments = r#"{"to":"Tom & \"Li\"","count":2}"#.to_owned();
    assert_eq!(steps[1].piece, Piece::Call { name: "give".to_owned(), arguments });
    assert_eq!(steps[1].delay, Duration::from_millis(5));
}

#[test]
fn what_means_nothing_is_refused_with_its_place() {
    let check = |yaml: &str, line: u64, part: &str| {
        let error = Script::parse(yaml, "my.yaml").unwrap_err();
        assert!(error.message.contains(part), "{error}");
        assert_eq!(error.line, line, "{error}");
        assert!(error.to_string().starts_with(&format!("my.yaml:{line}:")), "{error}");
        assert!(!error.message.contains("line"), "the place stands twice: {error}");
    };
    check("rules:\n  - when: { txt: a }\n", 2, "txt");
    check("rules:\n  - reply: a\n    fault: nonsense\n", 3, "nonsense");
    check("rules:\n  - reply:\n      - { text: a, call: b }\n", 3, "exactly one");
    check("rules:\n  - reply:\n      - { text: a, arguments: {} }\n", 3, "belong to a call");
    check("rules:\n  - reply:\n      - a\n      - { delay_ms: 900000, text: a }\n", 4, "at most");
    check("rules:\n  - when: { turn: no }\n", 2, "");
    check("rules:\n  - reply: a\n    reply: b\n", 3, "reply");
    check("rules: [\n", 1, "bracket");
    check("speech: a\n", 1, "speech");
    assert!(Script::parse("", "empty").unwrap().find(&cue("a")).is_none());
}
