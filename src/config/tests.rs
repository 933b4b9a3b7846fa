//! Settings are read by name, and the example file tells the truth.

use std::collections::HashMap;

use super::{
    EmbedderChoice, LlmChoice, ProviderChoices, SETTINGS, Secret, SettingError, Settings, Sources,
};

fn read(pairs: &[(&str, &str)]) -> Result<Settings, SettingError> {
    let set: HashMap<_, _> = pairs.iter().copied().collect();
    Settings::read(&|name| set.get(name).map(|value| (*value).to_owned()))
}

#[test]
fn nothing_set_gives_the_defaults_and_the_built_in_actor() {
    let settings = read(&[]).unwrap();
    assert_eq!((settings.host.to_string().as_str(), settings.port), ("127.0.0.1", 8000));
    assert_eq!(settings.times.state.as_millis(), 2_000);
    assert!(matches!(settings.llm, LlmChoice::Scripted));
}

#[test]
fn a_key_or_a_base_url_chooses_the_endpoint() {
    let of = |pairs: &[(&str, &str)]| {
        let settings = read(pairs).unwrap();
        let endpoint = settings.providers.default.unwrap();
        (endpoint.base_url, endpoint.key.is_some(), model_of(&settings.llm))
    };
    let (base_url, has_key, _) = of(&[("OPENAI_API_KEY", "sk-1"), ("LLM_MODEL", "m")]);
    assert_eq!((base_url.as_str(), has_key), ("https://openrouter.ai/api/v1", true));
    let local = of(&[("OPENAI_BASE_URL", "http://127.0.0.1:1/v1"), ("MODEL_NAME", "llama")]);
    assert_eq!(local, ("http://127.0.0.1:1/v1".to_owned(), false, "llama".to_owned()));
    let of_turns =
        of(&[("OPENAI_API_KEY", "k"), ("LLM_MODEL", "chat"), ("ACTIVE_STREAM_LLM_MODEL", "game")]);
    assert_eq!(of_turns.2, "game");
}

fn model_of(choice: &LlmChoice) -> String {
    match choice {
        LlmChoice::Model { model } => model.clone(),
        LlmChoice::Scripted => "the built-in actor".to_owned(),
    }
}

#[test]
fn one_key_or_one_address_of_any_provider_is_enough() {
    for (name, value) in [
        ("DEEPSEEK_API_KEY", "k"),
        ("GROQ_API_KEY", "k"),
        ("GEMINI_API_KEY", "k"),
        ("DRAMATIS_LOCAL_BASE", "http://127.0.0.1:8080/v1"),
    ] {
        let settings = read(&[(name, value), ("LLM_MODEL", "m")]).unwrap();
        assert_eq!(model_of(&settings.llm), "m", "{name}");
        assert!(settings.providers.default.is_none(), "{name}");
    }
    // Half of what a provider needs is no provider, and a model alone none either.
    let pairs = [
        ("DEEPSEEK_BASE_URL", "http://127.0.0.1:1"),
        ("GROQ_BASE_URL", "http://127.0.0.1:1"),
        ("GEMINI_BASE_URL", "http://127.0.0.1:1"),
        ("DRAMATIS_LOCAL_KEY", "k"),
        ("LLM_MODEL", "groq/m"),
    ];
    assert_eq!(model_of(&read(&pairs).unwrap().llm), "the built-in actor");
}

#[test]
fn each_provider_is_asked_at_its_own_address_with_its_own_key() {
    let base = "http://127.0.0.1:1";
    let check = |key: &str, address: &str, default: Option<&str>| {
        let of = |pairs: &[(&str, &str)]| {
            let ProviderChoices { default, deepseek, groq, gemini, local, .. } =
                read(pairs).unwrap().providers;
            let mut set = [default, deepseek, groq, gemini, local].into_iter().flatten();
            let one = set.next().unwrap();
            assert!(set.next().is_none(), "{key}");
            (one.base_url, one.key.unwrap().reveal().to_owned())
        };
        assert_eq!(of(&[(key, "k"), (address, base)]), (base.to_owned(), "k".to_owned()));
        if let Some(default) = default {
            assert_eq!(of(&[(key, "k")]).0, default);
        }
    };
    check("OPENAI_API_KEY", "OPENAI_API_BASE", Some("https://openrouter.ai/api/v1"));
    check("DEEPSEEK_API_KEY", "DEEPSEEK_BASE_URL", Some("https://api.deepseek.com"));
    check("GROQ_API_KEY", "GROQ_BASE_URL", Some("https://api.groq.com/openai/v1"));
    let gemini = "https://generativelanguage.googleapis.com";
    check("GEMINI_API_KEY", "GEMINI_BASE_URL", Some(gemini));
    check("DRAMATIS_LOCAL_KEY", "DRAMATIS_LOCAL_BASE", None);
}

#[test]
fn lists_of_models_are_read() {
    let pairs = [("DRAMATIS_FALLBACK_MODELS", "a, groq/b,,"), ("DRAMATIS_REASONING_MODELS", "q*")];
    let providers = read(&pairs).unwrap().providers;
    assert_eq!(providers.fallback_models, ["a", "groq/b"]);
    assert!(providers.reasoning_models.names("qwq") && !providers.reasoning_models.names("a"));
    assert!(!read(&[]).unwrap().providers.reasoning_models.names("a"));
}

#[test]
fn a_wrong_value_is_refused_by_name() {
    let check = |name: &'static str, value: &str, part: &str| {
        let error = read(&[(name, value)]).unwrap_err();
        assert_eq!(error.name, name);
        assert!(error.to_string().contains(part), "{error}");
    };
    check("DRAMATIS_PORT", "70000", "a number from 0 to 65535");
    check("DRAMATIS_HOST", "localhost", "an IP address");
    check("DRAMATIS_STATE_TIMEOUT_MS", "0", "a number from 1 to");
    check("DRAMATIS_MAX_WAITING", "-1", "a number from 1 to 64");
    check("DRAMATIS_MAX_MESSAGE_BYTES", "10", "a number from 1024 to");
    check("DRAMATIS_MAX_EVENTS_PER_SECOND", "-1", "a number");
    check("DRAMATIS_ORIGINS", "https://a.example, my.example", "an origin such as");
    check("DRAMATIS_ORIGINS", "https://my.example/game", "without a path");
    check("DRAMATIS_LOG_FORMAT", "xml", "text or json");
    check("DRAMATIS_LOGS_MAX_DAYS", "-1", "a number from 0 to");
    check("DRAMATIS_PROMPT_TOKENS", "10", "a number from 1000 to");
    check("DRAMATIS_EMBED_FLOOR", "35", "a number from -1 to 1");
    check("OPENAI_API_KEY", "sk-1\nsk-2", "copy it again");
    check("GAME_AGENT_LOG_LEVEL", "WARNING", "ERROR, WARN");
    check("GAME_AGENT_LOG_LEVEL", "dramatis=loud", "ERROR, WARN");
    check("OPENAI_API_BASE", "localhost:11434", "http://");
    check("DRAMATIS_LOCAL_BASE", "localhost:11434", "http://");
    check("GROQ_API_KEY", "gsk 1", "copy it again");
    let error = read(&[("GEMINI_API_KEY", "k"), ("GEMINI_BASE_URL", "localhost")]).unwrap_err();
    assert_eq!((error.name, error.to_string().contains("http://")), ("GEMINI_BASE_URL", true));
}

#[test]
fn an_embedding_model_is_asked_with_the_key_of_its_own_endpoint() {
    let of = |pairs: &[(&str, &str)]| match read(pairs).map(|it| it.context.embedder) {
        Ok(EmbedderChoice::Endpoint { base_url, key, model }) => {
            let key = key.as_ref().map_or("none", Secret::reveal);
            format!("{model} at {base_url} with {key}")
        }
        Ok(EmbedderChoice::Folder(folder)) => format!("in {}", folder.display()),
        Ok(EmbedderChoice::None) => "none".to_owned(),
        Err(error) => error.to_string(),
    };
    let key = ("OPENAI_API_KEY", "sk-1");
    let model = ("DRAMATIS_EMBED_MODEL", "m");
    let other = ("DRAMATIS_EMBED_BASE", "http://127.0.0.1:1/v1");
    let folder = ("DRAMATIS_EMBED_FOLDER", "models/m");
    assert_eq!(of(&[key]), "none");
    assert_eq!(of(&[key, model]), "m at https://openrouter.ai/api/v1 with sk-1");
    assert_eq!(of(&[key, model, other]), "m at http://127.0.0.1:1/v1 with none");
    let own = ("DRAMATIS_EMBED_KEY", "sk-2");
    assert_eq!(of(&[key, model, other, own]), "m at http://127.0.0.1:1/v1 with sk-2");
    assert_eq!(of(&[folder]), "in models/m");
    assert!(of(&[model, folder]).starts_with("DRAMATIS_EMBED_FOLDER: DRAMATIS_EMBED_MODEL"));
    assert!(of(&[model, ("DRAMATIS_EMBED_BASE", "localhost")]).contains("http://"));
}

#[test]
fn beyond_loopback_a_token_is_needed() {
    let error = read(&[("DRAMATIS_HOST", "0.0.0.0")]).unwrap_err();
    assert_eq!(error.name, "DRAMATIS_TOKEN");
    assert!(read(&[("DRAMATIS_HOST", "0.0.0.0"), ("DRAMATIS_TOKEN", "t0ken")]).is_ok());
}

#[test]
fn a_secret_is_compared_but_never_printed() {
    let secret = Secret::new("hunter2".to_owned());
    assert!(secret.matches("hunter2"));
    assert!(!secret.matches("hunter") && !secret.matches("hunter22") && !secret.matches(""));
    let settings = read(&[("DRAMATIS_TOKEN", "hunter2"), ("OPENAI_API_KEY", "hunter2")]).unwrap();
    assert!(!format!("{secret} {secret:?} {settings:?}").contains("hunter2"));
}

#[test]
fn files_are_read_and_a_flag_wins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "LLM_MODEL=of-env-file\n").unwrap();
    let yaml = "default_model: of-yaml\nopenai_base_url: http://127.0.0.1:9/v1\ngroq_api_key: k\n\
                supported_models: [{id: m, price: 1}, {name: n}, o]\ndeepseek_api_key: d\n\
                groq_base_url: http://127.0.0.1:8/v1\ngemini_api_key: g\n";
    std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
    let flags = HashMap::from([("DRAMATIS_PORT".to_owned(), "1".to_owned())]);
    let sources = Sources::of_folder(folder.path(), flags).unwrap();
    assert_eq!(sources.look_up("DRAMATIS_PORT").as_deref(), Some("1"));
    assert_eq!(sources.look_up("LLM_MODEL").as_deref(), Some("of-env-file"));
    for (name, value) in [
        ("OPENAI_API_BASE", "http://127.0.0.1:9/v1"),
        ("GROQ_API_KEY", "k"),
        ("GROQ_BASE_URL", "http://127.0.0.1:8/v1"),
        ("DEEPSEEK_API_KEY", "d"),
        ("GEMINI_API_KEY", "g"),
        ("DRAMATIS_MODELS", "m, n, o"),
    ] {
        assert_eq!(sources.look_up(name).as_deref(), Some(value), "{name}");
    }

    std::fs::write(folder.path().join(".env"), "MODEL_NAME=of-env-file-too\n").unwrap();
    let sources = Sources::of_folder(folder.path(), HashMap::new()).unwrap();
    assert_eq!(sources.look_up("LLM_MODEL").as_deref(), Some("of-env-file-too"));

    for (file, text) in [
        (".env", "LLM_MODEL=m\nOPENAI_API_KEY sk-SECRET\n"),
        ("config.yaml", "default_model: m\nopenai_api_key: \"sk-SECRET\n"),
        ("config.yaml", "default_model: m\nopenai_api_key: [sk-SECRET\n"),
        ("config.yaml", "default_model: m\nopenai_api_key: {a: sk-SECRET}\n"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(file), text).unwrap();
        let error = Sources::of_folder(folder.path(), HashMap::new()).unwrap_err().to_string();
        assert!(error.contains("line ") && !error.contains("SECRET"), "{error}");
    }
    let yaml = "default_model: m\nopenai_api_key: sk-SECRET\nopenai_api_bsae: http://x\n";
    std::fs::write(folder.path().join("config.yaml"), yaml).unwrap();
    let error = Sources::of_folder(folder.path(), HashMap::new()).unwrap_err().to_string();
    assert!(
        error.contains("config.yaml: line 3: there is no setting `openai_api_bsae`"),
        "{error}"
    );
    std::fs::write(folder.path().join("config.yaml"), [0xff, 0xfe]).unwrap();
    assert!(Sources::of_folder(folder.path(), HashMap::new()).is_err());
    std::fs::write(folder.path().join("config.yaml"), "default_model: [\n").unwrap();
    let error = Sources::of_folder(folder.path(), HashMap::new()).unwrap_err();
    assert!(error.to_string().contains("config.yaml"), "{error}");
}

#[test]
fn what_an_env_file_sets_in_vain_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let text = "DRAMATIS_PORT=1\nDRAMATIS_PROT=1\nOTHERS_PROT=1\nOPENAI_API_KEY=k\n";
    std::fs::write(folder.path().join(".env"), text).unwrap();
    let unknown = Sources::of_folder(folder.path(), HashMap::new()).unwrap().unknown();
    assert!(unknown.iter().any(|unknown| unknown.name == "DRAMATIS_PROT"), "{unknown:?}");
    assert!(unknown.iter().all(|unknown| unknown.name.starts_with("DRAMATIS_")), "{unknown:?}");
    assert!(unknown.iter().all(|unknown| unknown.name != "DRAMATIS_PORT"), "{unknown:?}");
}

#[test]
fn a_server_beside_a_game_keeps_its_data_with_the_user_unless_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(".env"), "DRAMATIS_DATA=\nDRAMATIS_LOGS=here\n").unwrap();
    let sources = Sources::of_folder(folder.path(), HashMap::new()).unwrap();
    assert_eq!(sources.look_up("DRAMATIS_DATA"), None);
    let sources = sources.with_user_folders();
    assert_eq!(sources.look_up("DRAMATIS_LOGS").as_deref(), Some("here"));
    if let Some(data) = sources.look_up("DRAMATIS_DATA") {
        let data = std::path::PathBuf::from(data);
        assert!(data.is_absolute() && data.ends_with("dramatis/data"), "{}", data.display());
    }
}

#[test]
fn a_folder_of_assets_that_was_named_has_to_be_there() {
    let settings = read(&[]).unwrap();
    assert_eq!((settings.assets.to_str(), settings.assets_are_set), (Some("assets"), false));
    let settings = read(&[("DRAMATIS_ASSETS", "mine")]).unwrap();
    assert_eq!((settings.assets.to_str(), settings.assets_are_set), (Some("mine"), true));
}

#[test]
fn zero_means_that_logs_are_not_limited() {
    let settings = read(&[]).unwrap();
    assert_eq!((settings.logs_max_bytes, settings.logs_max_age), (Some(64 << 20), None));
    let pairs = [("DRAMATIS_LOGS_MAX_BYTES", "0"), ("DRAMATIS_LOGS_MAX_DAYS", "2")];
    let settings = read(&pairs).unwrap();
    let two_days = std::time::Duration::from_secs(2 * 24 * 60 * 60);
    assert_eq!((settings.logs_max_bytes, settings.logs_max_age), (None, Some(two_days)));
}

#[test]
fn the_example_file_names_every_setting_with_its_default() {
    let example = include_str!("../../.env.example");
    let mut named: Vec<(String, String)> = Vec::new();
    for line in example.lines() {
        let line = line.strip_prefix("# ").unwrap_or(line);
        if let Some((name, value)) = line.split_once('=')
            && name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        {
            named.push((name.to_owned(), value.to_owned()));
        }
    }
    named.sort();
    let mut settings: Vec<_> = SETTINGS
        .iter()
        .map(|setting| (setting.name.to_owned(), setting.default.to_owned()))
        .collect();
    settings.sort();
    assert_eq!(named, settings);
}
