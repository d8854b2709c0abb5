"""A real language model that says one thing, whatever it is asked: one layer, its weights set by hand."""

from pathlib import Path


def make_tiny_llm(folder: Path, says: str) -> Path:
    """Save the model and its tokenizer; no two words of `says` may be alike."""
    import torch
    from tokenizers import Tokenizer
    from tokenizers.models import WordLevel
    from tokenizers.pre_tokenizers import WhitespaceSplit
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    words = ["<unk>", "<answer>", *says.split(), "<end>"]
    assert len(set(words)) == len(words)
    raw = Tokenizer(WordLevel({word: n for n, word in enumerate(words)}, unk_token="<unk>"))
    raw.pre_tokenizer = WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=raw, unk_token="<unk>", eos_token="<end>")
    tokenizer.chat_template = "{% for m in messages %}{{ m['content'] }} {% endfor %}<answer>"
    tokenizer.save_pretrained(folder)
    last = len(words) - 1
    config = LlamaConfig(
        vocab_size=len(words), hidden_size=64, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, max_position_embeddings=8192, eos_token_id=last, bos_token_id=None,
    )  # fmt: skip
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for parameter in model.model.layers.parameters():
            parameter.zero_()  # nothing but the last word counts
        model.model.embed_tokens.weight.copy_(torch.eye(len(words), 64))
        following = torch.eye(len(words), 64).roll(1, dims=0)
        model.lm_head.weight.copy_(following)
    model.save_pretrained(folder)
    return folder
