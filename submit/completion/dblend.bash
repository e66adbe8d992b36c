# bash completion for dblend

_dblend_jobs()
{
    dblend list --all --quiet 2>/dev/null
}

_dblend_workers()
{
    dblend workers --json 2>/dev/null | sed -n 's/.*"worker":"\([^"]*\)".*/\1/p'
}

# The names have a colon in them, at which bash breaks words: it replaces what follows the last one.
_dblend_worker()
{
    local word=${COMP_LINE:0:COMP_POINT}
    word=${word##* }
    COMPREPLY=($(compgen -W "$(_dblend_workers)" -- "$word"))
    if [[ $word == *:* && $COMP_WORDBREAKS == *:* ]]; then
        COMPREPLY=("${COMPREPLY[@]#"${word%:*}:"}")
    fi
}

_dblend_files()
{
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY+=($(compgen -f -X '!*.[bB][lL][eE][nN][dD]' -- "$1") $(compgen -d -- "$1"))
}

_dblend_option_value()
{
    case $1 in
    --order) COMPREPLY=($(compgen -W 'first last middle every:' -- "$2")) ;;
    --when-done) COMPREPLY=($(compgen -W 'suspend poweroff' -- "$2")) ;;
    --unbaked) COMPREPLY=($(compgen -W 'order refuse allow' -- "$2")) ;;
    -E | --engine)
        COMPREPLY=($(compgen -W 'CYCLES BLENDER_EEVEE BLENDER_WORKBENCH' -- "$2"))
        ;;
    --format)
        COMPREPLY=($(compgen -W 'PNG JPEG OPEN_EXR OPEN_EXR_MULTILAYER TIFF BMP TARGA' -- "$2"))
        ;;
    -d | --devices) COMPREPLY=($(compgen -W 'cpu cpu/ cpu: gpu gpu: gpu+cpu pci:' -- "$2")) ;;
    -f | --frames)
        # -f is also --frames of show and --follow of log, which take no value
        [[ $3 == show || $3 == log ]] && return 1
        COMPREPLY=($(compgen -W 'current start end' -- "$2"))
        ;;
    -o | --output | --from | --blender | --bpy)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -f -- "$2"))
        ;;
    --render-folder)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -d -- "$2"))
        ;;
    -S | --scene | -n | --name | -p | --priority | --samples | --percentage | --attempts | \
        --placeholder-timeout | --stall | --max-frame-time | --min-frame-time | -t | --timeout | -F | --frame | --max-temperature | \
        --recycle)
        COMPREPLY=()
        ;;
    *) return 1 ;;
    esac
}

_dblend_arguments()
{
    case $1 in
    render | add) _dblend_files "$2" ;;
    remove | show | wait | log | pause | resume | cancel | retry | priority | accept)
        COMPREPLY=($(compgen -W "$(_dblend_jobs)" -- "$2"))
        [[ $2 && ! $2 =~ ^[0-9]+$ ]] && _dblend_files "$2"
        ;;
    verify)
        compopt -o filenames 2>/dev/null
        COMPREPLY=($(compgen -W "$(_dblend_jobs)" -- "$2") $(compgen -d -- "$2"))
        ;;
    drain | rest | wake) _dblend_worker ;;
    esac
}

_dblend()
{
    local current=$2 previous=$3 command=${COMP_WORDS[1]}
    local commands='render farm add remove list show watch wait log workers devices pause resume
        cancel retry verify priority accept clear drain rest wake stop blender help'
    local answers='--engine --allow-missing --trust-scripts --no-scripts --keep --overwrite
        --output --unbaked'
    local crew='--devices --low-impact --max-temperature --blender --bpy --factory --recycle --when-done'
    local job="$answers --frames --scene --name --priority --order --again --render-folder
        --placeholder-timeout --samples --percentage --format --no-denoise --strict --attempts
        --stall --max-frame-time --min-frame-time --mix --device-type --allow-cpu"
    local options=
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "$commands --help --version" -- "$current"))
        return
    fi
    if [[ $command == help ]]; then
        COMPREPLY=($(compgen -W "$commands" -- "$current"))
        return
    fi
    _dblend_option_value "$previous" "$current" "$command" && return
    case $command in
    render) options="$crew --from --json $job" ;;
    farm) options="$crew --device-type --stall --windows --detach" ;;
    add) options="--from --no-wait --quiet --json $job" ;;
    list) options='--all --quiet --json' ;;
    show) options='--frames --json' ;;
    wait) options='--timeout --json' ;;
    log) options='--frame --follow --json' ;;
    resume) options='--accept-change --json' ;;
    retry) options='--all --json' ;;
    verify) options='--requeue --json' ;;
    accept) options="$answers --json" ;;
    rest | stop) options='--now --json' ;;
    watch) options= ;;
    *) options='--json' ;;
    esac
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$options --help" -- "$current"))
        return
    fi
    _dblend_arguments "$command" "$current"
}

complete -F _dblend dblend
